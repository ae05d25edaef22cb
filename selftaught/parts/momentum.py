"""A slow copy of a network: the exponential moving average of its parameters."""

from __future__ import annotations

import copy
import math

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


def rising(start: float, progress: float) -> float:
    """A momentum that goes from `start` to 1 along half a cosine as `progress` goes from 0 to 1.

    The slow copy comes to rest.

    1 - (1 - start) * (cos(pi * progress) + 1) / 2, of Grill et al. 2020, "Bootstrap Your Own Latent", section 3.3.
    """
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2
