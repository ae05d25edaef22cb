"""The small convolutional network of the demo: fast on a CPU, and keeps positions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, final

from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import Norm, Pool, norm2d, pooled, pooled_width

SMALL = {"width": 8, "depth": 2}
"""Arguments for trying things out."""


@final
class Conv(Encoder):
    """Blocks of 3x3 convolution with stride 2, normalisation and ReLU; each halves the side and doubles the channels.

    [B, C, S, S] becomes [B, width, S/2, S/2], [B, 2 width, S/4, S/4], ... (sides rounded up). 28 pixels with the
    defaults: 128 channels of 4x4 positions, so `forward` gives [B, 2048].

    Args:
        width: Channels of the first block.
        depth: Number of blocks.
        pool: flatten keeps positions; mean and max pool over them.
        norm: batch, layer, group or none.
    """

    sees = ("image",)

    def __init__(
        self, input: dict[str, Any], width: int = 32, depth: int = 3, pool: Pool = "flatten", norm: Norm = "batch"
    ) -> None:
        super().__init__()
        if width < 1 or depth < 1:
            raise UserError(f"width and depth of encoder conv must be at least 1, not {width} and {depth}")
        self.spec = {"name": "conv", "input": input, "width": width, "depth": depth, "pool": pool, "norm": norm}
        self.pool = pool
        widths = [input["channels"], *(width * 2**i for i in range(depth))]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=norm == "none"), norm2d(norm, b), nn.ReLU())
            for a, b in pairwise(widths)
        )
        self.side = -(-input["size"] // 2**depth)
        self.dim = pooled_width(pool, widths[-1], self.side**2)

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """One [B, C, h, w] per block."""
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S, S] to [B, dim], whatever S.

        Positions of images of another size are repeated or averaged to as many.
        """
        return pooled(self.pool, self.local(x), self.side)
