"""Apply a network to views of several sizes, with one call per size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def by_size(
    encoder: Callable[..., Tensor],
    head: Callable[[Tensor], Tensor],
    views: Sequence[Tensor],
    masks: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """Return ``head(encoder(view))`` of every view, in order: the encoder once per size, the head once over all views.

    So a batch norm of the head sees the features of all sizes together, as in the released code of SwAV and DINO. The
    views of a sample are adjacent in a batch, so that they share a batch norm group for any number of groups and ranks.

    Args:
        encoder: [N, C, S, S] to [N, E], for every S; series [N, C, T], for every T.
        head: [N, E] to [N, D].
        views: [B, C, S, S] each, of any S; or [B, C, T].
        masks: The `mask` of each view, if the encoder takes one: [B, T].

    Returns one [B, D] for each view.
    """
    found: dict[int, Tensor] = {}
    for size in dict.fromkeys(view.shape[-1] for view in views):
        members = [v for v, view in enumerate(views) if view.shape[-1] == size]
        given = {} if masks is None else {"mask": torch.stack([masks[v] for v in members], 1).flatten(0, 1)}
        z = encoder(torch.stack([views[v] for v in members], 1).flatten(0, 1), **given)  # [B * members, E]
        found |= dict(zip(members, z.unflatten(0, (-1, len(members))).unbind(1), strict=True))
    features = torch.stack([found[v] for v in range(len(views))], 1)  # [B, V, E]
    return list(head(features.flatten(0, 1)).unflatten(0, (-1, len(views))).unbind(1))
