"""Right angles."""

from __future__ import annotations

import torch
from torch import Tensor


def turned(image: Tensor) -> Tensor:
    """[B, C, S, S] to [4B, C, S, S].

    Every image turned counter-clockwise by 0, 90, 180 and 270 degrees, exactly, side by side.
    """
    return torch.stack([torch.rot90(image, r, (2, 3)) for r in range(4)], 1).flatten(0, 1)
