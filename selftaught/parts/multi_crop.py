"""Views of several sizes through one network, as few calls as there are sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def by_size(network: Callable[[Tensor], Tensor], views: Sequence[Tensor]) -> list[Tensor]:
    """`network` of every view, in their order; views of one size go through it together.

    A sample's views of one size lie side by side in that batch, so that they share a batch norm group whatever the
    number of groups and ranks.

    Args:
        network: [N, C, S, S] to [N, D], for every S.
        views: [B, C, S, S] each, S as it comes.

    Returns one [B, D] for each view.
    """
    found: dict[int, Tensor] = {}
    for size in dict.fromkeys(view.shape[-1] for view in views):
        members = [v for v, view in enumerate(views) if view.shape[-1] == size]
        z = network(torch.stack([views[v] for v in members], 1).flatten(0, 1))  # [B * members, D]
        found |= dict(zip(members, z.unflatten(0, (-1, len(members))).unbind(1), strict=True))
    return [found[v] for v in range(len(views))]
