"""Momentum copies of networks: exponential moving averages of their parameters."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn


def momentum_copy(network: nn.Module) -> nn.Module:
    """Return a copy whose parameters need no gradient: `players` excludes it, checkpoints include it.

    >>> from torch import nn
    >>> fast = nn.Linear(2, 2)
    >>> slow = momentum_copy(fast)
    >>> follow(slow, fast, momentum=0.99)  # in Method.after_step
    >>> slow.weight.requires_grad
    False
    """
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """Update slow <- momentum * slow + (1 - momentum) * fast, in place, for every parameter.

    Buffers are not changed: the running statistics of the slow copy come from its own batches.
    """
    for old, new in zip(slow.parameters(), fast.parameters(), strict=True):
        old.lerp_(new, 1 - momentum)


def rising(start: float, progress: float) -> float:
    """Return a momentum that rises from `start` to 1 along half a cosine as `progress` goes from 0 to 1.

    1 - (1 - start) * (cos(pi * progress) + 1) / 2, of Grill et al. 2020, "Bootstrap Your Own Latent", section 3.3.

    >>> rising(0.5, 0.0), rising(0.5, 1.0)
    (0.5, 1.0)
    """
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2
