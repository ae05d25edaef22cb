"""Hypercolumns: the features of all layers of a network at chosen places of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def hypercolumn(layers: Sequence[Tensor], place: Tensor, size: int) -> Tensor:
    """Return the features of all layers at pixels of an image of size x size: [B, N, D], D the sum of their channels.

    Hariharan, Arbelaez, Girshick, Malik, CVPR 2015 (arXiv 1411.5752). They are those that the layers have there after
    bilinear upsampling to the size of the image (``F.interpolate(layer, size, mode="bilinear")``), but only computed at
    the places.

    Args:
        layers: [B, C, h, w] each, with any number of channels and positions.
        place: Row and column of N pixels of each image, integers [B, N, 2].
        size: Side of the image in pixels.
    """
    grid = ((2 * place.float() + 1) / size - 1).flip(2)[:, None]  # [B, 1, N, 2]: x, y in [-1, 1]
    columns = [F.grid_sample(layer, grid.to(layer.dtype), "bilinear", "border", False)[:, :, 0] for layer in layers]
    return torch.cat(columns, 1).mT
