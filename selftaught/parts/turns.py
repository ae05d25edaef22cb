"""Rotation by multiples of 90 degrees."""

from __future__ import annotations

import torch
from torch import Tensor


def turned(image: Tensor) -> Tensor:
    """Rotate every image counter-clockwise by 0, 90, 180 and 270 degrees: [B, C, S, S] to [4B, C, S, S].

    The four copies of an image are side by side. The rotation is exact.
    """
    return torch.stack([torch.rot90(image, r, (2, 3)) for r in range(4)], 1).flatten(0, 1)
