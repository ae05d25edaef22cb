"""A mix of the layers of a frozen or a trained encoder, whose weights a task learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@final
class ScalarMix(nn.Module):
    """ELMo's gamma sum_j softmax(s)_j h_j over the layers h_0 .. h_L (Peters et al., NAACL 2018).

    At first s is 0 and gamma 1: the mean of the layers. A task adds `penalty` to its loss to stay near it.

    Args:
        layers: L + 1.
        top_only: Use h_L alone; there is then no s.
        norm: Bring the numbers of each vector to mean 0 and variance 1 before they are mixed. (The authors' program
            does it over a batch, so that a text has other vectors beside other texts.)
    """

    def __init__(self, layers: int, top_only: bool = False, norm: bool = False) -> None:
        super().__init__()
        self.norm = norm
        self.s = None if top_only else nn.Parameter(torch.zeros(layers))
        self.gamma = nn.Parameter(torch.ones(()))

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """Map L + 1 tensors [..., D] to one of the same shape."""
        used = list(layers) if self.s is not None else [layers[-1]]
        if self.norm:
            used = [F.layer_norm(h, h.shape[-1:]) for h in used]
        shares = torch.ones_like(self.gamma)[None] if self.s is None else self.s.softmax(0)
        if len(shares) != len(used):
            raise ValueError(f"this mix is of {len(shares)} layers, not {len(used)}")
        return self.gamma * sum((share * h for share, h in zip(shares, used, strict=True)), torch.zeros_like(used[0]))

    def penalty(self) -> Tensor:
        """Return |s|^2."""
        return self.gamma.new_zeros(()) if self.s is None else self.s.square().sum()
