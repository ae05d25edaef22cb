"""What stands between an encoder and a loss, and is thrown away after training."""

from __future__ import annotations

from torch import nn

from selftaught.errors import UserError
from selftaught.parts.norm import BatchNorm1d


def projection(before: int, hidden: int, after: int, depth: int, norm: bool = True) -> nn.Sequential:
    """[B, before] to [B, after] through `depth` linear layers with ReLU between them; depth 1 is linear, 0 the identity.

    With `norm`, batch normalisation follows every layer (without its shift after the last, as in SimCLR's released code) and
    the layers before it have no bias; without, it is a plain multilayer perceptron (MoCo v2's).

    Raises UserError for a negative depth or a width below 1.
    """
    if depth < 0 or hidden < 1 or after < 1:
        raise UserError(f"a head needs a depth of at least 0, hidden and dim of at least 1, not {depth}, {hidden} and {after}")
    layers: list[nn.Module] = []
    for i in range(depth):
        last = i == depth - 1
        layers.append(nn.Linear(before if i == 0 else hidden, after if last else hidden, bias=not norm))
        if norm:
            layers.append(BatchNorm1d(after if last else hidden))
        if not last:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)
