"""Decoder for fully connected layers: the same layers in reverse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from torch import Tensor, nn
from torch.nn import functional as F


@final
class Mirror(nn.Module):
    """Linear layers in reverse, with their own weights or the transposed weights of the originals (tied).

    The biases are always its own.
    """

    def __init__(self, linears: Sequence[nn.Module], tied: bool) -> None:
        super().__init__()
        own = [nn.Linear(m.out_features, m.in_features) for m in reversed(linears) if isinstance(m, nn.Linear)]
        self.biases = nn.ParameterList(m.bias for m in own)
        self.weights = nn.ParameterList() if tied else nn.ParameterList(m.weight for m in own)

    def forward(self, code: Tensor, linears: Sequence[nn.Module], activation: Callable[[Tensor], Tensor]) -> Tensor:
        """Map the code [B, D] to the input of the first of the `linears`, [B, d], without an activation at the end."""
        weights = list(self.weights) or [m.weight.T for m in reversed(linears) if isinstance(m, nn.Linear)]
        for i, (weight, bias) in enumerate(zip(weights, self.biases, strict=True)):
            code = F.linear(code if i == 0 else activation(code), weight, bias)
        return code
