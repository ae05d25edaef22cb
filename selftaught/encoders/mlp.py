"""Fully connected layers on flattened input."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Encoder


@final
class MLP(Encoder):
    """`depth` linear layers with activations, on the flattened image.

    It has no positions: `local` returns [B, width].

    Args:
        width: Units in every layer.
        depth: Number of layers.
        activation: relu, or sigmoid as in the early autoencoder papers.
    """

    sees = ("image",)

    def __init__(self, input: dict[str, Any], width: int = 512, depth: int = 2, activation: str = "relu") -> None:
        super().__init__()
        if width < 1 or depth < 1:
            raise UserError(f"width and depth of encoder mlp must be at least 1, not {width} and {depth}")
        if activation not in ("relu", "sigmoid"):
            raise UserError(f"activation of encoder mlp must be relu or sigmoid, not '{activation}'")
        self.spec = {"name": "mlp", "input": input, "width": width, "depth": depth, "activation": activation}
        first = input["channels"] * input["size"] ** 2
        self.linears = nn.ModuleList(nn.Linear(width if i else first, width) for i in range(depth))
        self.activation: nn.Module = nn.ReLU() if activation == "relu" else nn.Sigmoid()
        self.dim = width

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return one [B, width] per layer."""
        x = x.flatten(1)
        features = []
        for linear in self.linears:
            x = self.activation(linear(x))
            features.append(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, S, S] to features [B, width]."""
        return self.local(x)
