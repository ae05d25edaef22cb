"""A slow copy of a network: the exponential moving average of its parameters."""

from __future__ import annotations

import copy

import torch
from torch import nn


def momentum_copy(network: nn.Module) -> nn.Module:
    """A copy whose parameters want no gradient: `players` leave it alone, checkpoints keep it."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """slow <- momentum * slow + (1 - momentum) * fast, in place, for every parameter.

    Buffers are left alone: the running statistics of the slow copy come from its own batches.
    """
    for old, new in zip(slow.parameters(), fast.parameters(), strict=True):
        old.lerp_(new, 1 - momentum)
