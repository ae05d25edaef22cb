"""What stands between an encoder and a loss, and is thrown away after training."""

from __future__ import annotations

from typing import Literal

from torch import nn

from selftaught.errors import UserError
from selftaught.parts.norm import BatchNorm1d


def projection(
    before: int, hidden: int, after: int, depth: int, norm: bool = True, last: Literal["norm", "fixed", "none"] = "norm"
) -> nn.Sequential:
    """[B, before] to [B, after] through `depth` linear layers with ReLU between them.

    Depth 1 is linear, 0 the identity.

    With `norm`, batch normalisation follows every layer and no layer has a bias; without, it is a plain multilayer
    perceptron (MoCo v2's). `last` is the batch normalisation after the last layer: like the others (SimCLR), "fixed"
    without scale and shift (SimSiam), or "none" (BYOL, Barlow Twins, VICReg).

    Raises UserError for a negative depth or a width below 1.
    """
    if depth < 0 or hidden < 1 or after < 1:
        raise UserError(
            f"a head needs a depth of at least 0, hidden and dim of at least 1, not {depth}, {hidden} and {after}"
        )
    layers: list[nn.Module] = []
    for i in range(depth):
        end = i == depth - 1
        layers.append(nn.Linear(before if i == 0 else hidden, after if end else hidden, bias=not norm))
        if norm and not (end and last == "none"):
            layers.append(BatchNorm1d(after if end else hidden, affine=not end or last == "norm"))
        if not end:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)
