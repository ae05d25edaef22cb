"""A prediction at every position of an image: the head of methods that reconstruct some of its channels."""

from __future__ import annotations

import math
from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.parts.layers import norm2d


@final
class DensePredictor(nn.Module):
    """Transposed 4x4 convolutions with stride 2 up to side x side positions, then a 1x1 convolution.

    Each doubles the side and halves the channels (to at least 32). Positions that are enough already get one 3x3
    convolution; too many are averaged.

    Args:
        channels: Channels D of the positions.
        before: Positions along each side.
        out: Channels of the prediction.
        side: Positions of the prediction along each side.
    """

    def __init__(self, channels: int, before: int, out: int, side: int) -> None:
        super().__init__()
        self.side, self.layers = side, nn.Sequential()
        doublings = max(math.ceil(math.log2(side / before)), 0)
        widths = [max(channels >> i, min(channels, 32)) for i in range(doublings + 1)]
        for i in range(doublings):
            up = nn.ConvTranspose2d(widths[i], widths[i + 1], 4, 2, 1, bias=False)
            self.layers.extend([up, norm2d("batch", widths[i + 1]), nn.ReLU()])
        if not doublings:
            same = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.layers.extend([same, norm2d("batch", channels), nn.ReLU()])
        self.last = nn.Conv2d(widths[-1], out, 1)

    def forward(self, positions: Tensor) -> Tensor:
        """Map [B, D, h, w] to [B, out, side, side]."""
        x = self.layers(positions)
        if x.shape[2:] != (self.side, self.side):
            x = F.adaptive_avg_pool2d(x, self.side)
        prediction: Tensor = self.last(x)
        return prediction
