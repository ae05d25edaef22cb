"""Strided convolutions along a series."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from selftaught.method import Encoder

SMALL = {"width": 8}


@final
class Strided(Encoder):
    """Two convolutions of 4 numbers with stride 2: [B, 1, T] becomes [B, 2 width, T / 4].

    Args:
        width: Channels of the first.
    """

    sees = ("series",)

    def __init__(self, input: dict[str, Any], width: int = 16) -> None:
        super().__init__()
        self.spec = {"name": "strided", "input": input, "width": width}
        self.first, self.second = nn.Conv1d(1, width, 4, 2, 1), nn.Conv1d(width, 2 * width, 4, 2, 1)
        self.dim = 2 * width * (input["length"] // 4)

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """After each convolution."""
        first = self.first(x).relu()
        return [first, self.second(first).relu()]

    def forward(self, x: Tensor) -> Tensor:
        """[B, 1, T] to [B, dim]: positions side by side."""
        return self.local(x).flatten(1)
