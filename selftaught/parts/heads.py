"""Projection heads: layers between an encoder and a loss that are discarded after training."""

from __future__ import annotations

from typing import Literal

from torch import nn

from selftaught.errors import UserError
from selftaught.parts.norm import BatchNorm1d


def projection(
    before: int, hidden: int, after: int, depth: int, norm: bool = True, last: Literal["norm", "fixed", "none"] = "norm"
) -> nn.Sequential:
    """Return a head of `depth` linear layers with ReLU between them, [B, before] to [B, after].

    Depth 1 is linear and depth 0 is the identity. With `norm`, batch normalisation follows every layer and no layer has
    a bias. Without it, the head is a plain multilayer perceptron (MoCo v2). `last` sets the batch normalisation after
    the last layer: "norm" like the others (SimCLR), "fixed" without scale and shift (SimSiam), or "none" (BYOL, Barlow
    Twins, VICReg).

    Raises UserError for a negative depth or a width below 1.

    >>> import torch
    >>> head = projection(before=512, hidden=256, after=128, depth=2)
    >>> head(torch.zeros(4, 512)).shape
    torch.Size([4, 128])
    """
    if depth < 0 or hidden < 1 or after < 1:
        raise UserError(
            f"depth of a head must be at least 0, hidden and dim at least 1, not {depth}, {hidden} and {after}"
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
