"""The agreement of many views of an image: each is pulled to the mean of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def distance_to_centre(z: Sequence[Tensor], full: int) -> Tensor:
    """Return the mean squared difference of all views from the mean of the first `full` ones: a scalar.

    Balestriero and LeCun 2025 (arXiv 2511.08544): small crops predict what the large ones of the image have in common.
    Gradients flow into the mean as well.

    Args:
        z: One [B, D] for each view.
        full: Number of views in the mean, at least 1.
    """
    views = torch.stack(list(z))  # [V, B, D]
    return (views - views[:full].mean(0)).square().mean()
