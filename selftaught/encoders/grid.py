"""A small convolutional network for what an agent observes, without batch norm, so that observations stay apart."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, final

import torch
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Encoder

SMALL = {"width": 8, "features": 24}
"""Arguments of a small encoder for quick trials."""


@final
class Grid(Encoder):
    """3x3 convolutions with ReLU, then a linear layer over all positions: [B, C, H, W] becomes [B, features].

    The defaults are the network of Young and Tian 2019 (arXiv 1903.03176) for MinAtar: 16 channels, stride 1, 128
    features; here the rim is padded, so that any size will do, and layer norm stands before the last ReLU.

    Args:
        width: Channels of every convolution.
        depth: Number of convolutions.
        stride: Stride of each. For pixels in place of small grids, use 2 or more.
        features: Width of the linear layer.
    """

    sees = ("agent",)

    def __init__(
        self, input: dict[str, Any], width: int = 16, depth: int = 1, stride: int = 1, features: int = 128
    ) -> None:
        super().__init__()
        if min(width, depth, stride, features) < 1:
            raise UserError(
                "width, depth, stride and features of encoder grid must be at least 1, not "
                f"{width}, {depth}, {stride} and {features}"
            )
        self.spec = {
            "name": "grid", "input": input, "width": width, "depth": depth, "stride": stride, "features": features,
        }  # fmt: skip
        widths = [int(input["channels"]), *[width] * depth]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, stride, 1) for a, b in pairwise(widths))
        height, across = int(input["height"]), int(input["width"])
        for _ in range(depth):
            height, across = -(-height // stride), -(-across // stride)
        self.linear = nn.Linear(width * height * across, features)
        self.norm = nn.LayerNorm(features)
        self.dim = features

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return one [B, width, h, w] per convolution, then the features, [B, features]."""
        found = []
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
            found.append(x)
        return [*found, torch.relu(self.norm(self.linear(x.flatten(1))))]

    def local(self, x: Tensor) -> Tensor:
        """Return the last features that have positions, [B, width, h, w]."""
        return self.layers(x)[-2]

    def forward(self, x: Tensor) -> Tensor:
        """Map observations [B, C, H, W] to features [B, dim]."""
        return self.layers(x)[-1]
