"""Random directions, along which a batch is seen as many one-dimensional samples."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def directions(dim: int, count: int, seed: int, step: int, like: Tensor) -> Tensor:
    """Return `count` random unit vectors as the columns of a matrix [dim, count], with `like`'s device and type.

    A pure function of (seed, step), the same on every rank and device: fresh ones in every step, without a state. The
    constant separates it from other uses of (seed, step).

    >>> import torch
    >>> directions(3, 5, seed=0, step=7, like=torch.zeros(1)).norm(dim=0)
    tensor([1.0000, 1.0000, 1.0000, 1.0000, 1.0000])
    """
    generator = torch.Generator().manual_seed((seed * 0x9E3779B1 + step * 0x85EBCA77 + 0x51C3) % 2**63)
    return F.normalize(torch.randn(dim, count, generator=generator), dim=0).to(like)
