"""Decoder for an encoder with positions: transposed convolutions up to the size of the image."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.parts.layers import Norm, norm2d


@final
class Upward(nn.Module):
    """Transposed 3x3 convolutions: each doubles the side and halves the channels (to at least 16).

    Normalisation and ReLU stand between them. The last gives `channels`, without either.

    Args:
        shape: Channels, height and width of the code.
        channels: Channels of the result.
        size: Side of the result in pixels.
        norm: Normalisation: see `norm2d`.
    """

    def __init__(self, shape: tuple[int, ...], channels: int, size: int, norm: Norm = "batch") -> None:
        super().__init__()
        steps = max(math.ceil(math.log2(size / shape[1])), 1)
        sides = [-(-size // 2 ** (steps - i)) for i in range(steps + 1)]  # 28 pixels from 4x4: 4, 7, 14, 28
        widths = [max(shape[0] >> i, min(shape[0], 16)) for i in range(steps)]
        self.first = sides[0]
        self.layers = nn.Sequential()
        for i, (before, after) in enumerate(pairwise([*widths, channels])):
            # For an odd side, the last row and column of 2 * side are dropped.
            self.layers.append(nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1 - sides[i + 1] % 2))
            if i < steps - 1:
                self.layers.extend([norm2d(norm, after), nn.ReLU()])

    def forward(self, code: Tensor) -> Tensor:
        """Map [B, D, h, w] to [B, C, S, S]."""
        z: Tensor = self.layers(F.interpolate(code, size=(self.first, self.first)))
        return z
