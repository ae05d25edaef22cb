"""Apply a network to views of several sizes, with one call per size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def by_size(network: Callable[[Tensor], Tensor], views: Sequence[Tensor]) -> list[Tensor]:
    """Return `network` of every view, in order. Views of one size are processed together.

    The views of a sample that have one size are adjacent in the batch, so that they share a batch norm group for any
    number of groups and ranks.

    Args:
        network: [N, C, S, S] to [N, D], for every S.
        views: [B, C, S, S] each, of any S.

    Returns one [B, D] for each view.
    """
    found: dict[int, Tensor] = {}
    for size in dict.fromkeys(view.shape[-1] for view in views):
        members = [v for v, view in enumerate(views) if view.shape[-1] == size]
        z = network(torch.stack([views[v] for v in members], 1).flatten(0, 1))  # [B * members, D]
        found |= dict(zip(members, z.unflatten(0, (-1, len(members))).unbind(1), strict=True))
    return [found[v] for v in range(len(views))]
