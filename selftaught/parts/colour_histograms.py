"""Histograms of hue and chroma around pixels, their divergence, and the way back to a colour."""

from __future__ import annotations

import math

import torch
from torch import Tensor

FADING = 0.96
"""Length of the mean direction of the hue below which chroma fades: the released code divides by 32 bins and has 0.03.
"""


def histograms(values: Tensor, place: Tensor, bins: int, window: int) -> Tensor:
    """Return the histogram of the values in a window around each place, float32 [B, N, bins]; each sums to 1.

    Pixels outside the image are not counted.

    Args:
        values: [B, S, S] in [0, 1].
        place: Row and column of the middle of N windows, int64 [B, N, 2].
        bins: Number of equal parts of [0, 1]. For the hue, the last and the first are neighbours.
        window: Side of a window in pixels, odd.
    """
    size = values.shape[1]
    offset = torch.arange(window, device=values.device) - window // 2
    y, x = place[:, :, 0, None] + offset, place[:, :, 1, None] + offset  # [B, N, W]
    inside = ((y >= 0) & (y < size))[:, :, :, None] & ((x >= 0) & (x < size))[:, :, None]  # [B, N, W, W]
    pixel = y.clamp(0, size - 1)[:, :, :, None] * size + x.clamp(0, size - 1)[:, :, None]
    found = values.flatten(1).gather(1, pixel.flatten(1)).view_as(pixel)
    chosen = (found * bins).long().clamp(0, bins - 1).flatten(2)
    counts = torch.zeros(*place.shape[:2], bins, device=values.device)
    counts.scatter_add_(2, chosen, inside.flatten(2).float())
    return counts / counts.sum(2, keepdim=True)


def divergence(target: Tensor, logits: Tensor) -> Tensor:
    """Return KL(target || softmax(logits)) over the last axis: [..., bins] to [...]."""
    return (torch.xlogy(target, target) - target * logits.log_softmax(-1)).sum(-1)


def hue_of(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the circular mean of histograms of hue [..., bins], in [0, 1), and how much of the chroma to keep.

    That is 1 unless the hues point in different directions ("chromatic fading").
    """
    bins = logits.shape[-1]
    angle = 2 * math.pi * (torch.arange(bins, device=logits.device) + 0.5) / bins
    shares = logits.float().softmax(-1)
    x, y = shares @ angle.cos(), shares @ angle.sin()
    hue = torch.remainder(torch.atan2(y, x) / (2 * math.pi), 1)
    return hue, (torch.hypot(x, y) / FADING).clamp(max=1)


def median_of(logits: Tensor) -> Tensor:
    """Return the middle of the bin with the median of histograms [..., bins], in [0, 1]."""
    bins = logits.shape[-1]
    below = logits.float().softmax(-1).cumsum(-1) < 0.5
    return (below.sum(-1).clamp(max=bins - 1) + 0.5) / bins
