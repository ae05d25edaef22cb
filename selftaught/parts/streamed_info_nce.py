"""The contrastive softmax of rows, in constant memory: the matrix of scores is never held.

Forward walks over tiles of the matrix and keeps, for each query, the largest score and the sum of exponentials so far
(the online softmax of Milakov and Gimelshein 2018, arXiv 1805.02867); backward makes each tile again. A tile stays in
the cache, so this is also faster than the plain form where that would fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from selftaught.errors import UserError

TILES = {"cpu": (512, 2048), "cuda": (4096, 8192)}
"""Queries and keys of a tile: what fits a core's cache, and what keeps a GPU busy."""


def streamed_info_nce(
    query: Tensor, positive: Tensor, key: Tensor, temperature: float = 1.0, exclude: Tensor | None = None
) -> dict[str, Tensor]:
    """`info_nce` of inner products, from rows: ``info_nce(positive, query @ key.T, temperature)`` without that product.

    loss = -mean_i log( exp(p_i/t) / (exp(p_i/t) + sum_j exp(q_i . k_j / t)) )

    Every score of `selftaught.parts.scores` is such an inner product: hand over ``score.query(x)`` and
    ``score.key(y)``. MoCo's keys are its queue; SimCLR's keys are all rows of the batch, and each query excludes itself
    and its other view.

    Args:
        query: [Q, D].
        positive: Score of each query with its positive, [Q].
        key: [K, D], the negatives of all queries.
        temperature: t > 0.
        exclude: For each query the keys that are no negatives of it: int64 [Q, E], different from each other or -1.

    Returns what `info_nce` returns, with gradients to `query`, `positive` and `key`. Peak memory beyond inputs and
    gradients is a few tiles, whatever Q and K. Computed in float32 (float64 for float64), under autocast as well.
    Raises UserError unless t is greater than 0.
    """
    if temperature <= 0:
        raise UserError(f"temperature must be greater than 0, not {temperature}")
    if exclude is None:
        exclude = torch.full((len(query), 0), -1, device=query.device)
    precise = torch.float64 if query.dtype == torch.float64 else torch.float32
    with torch.autocast(query.device.type, enabled=False):
        positive = positive.to(precise) / temperature
        total, largest = _LogSumExp.apply(query.to(precise) / temperature, key.to(precise), exclude)  # type: ignore[no-untyped-call]
        loss = (torch.logaddexp(total, positive) - positive).mean()
    count = (len(key) - (exclude >= 0).sum(1)).float().mean()
    # `positive` was summed in another order than the tiles: what differs by rounding alone is a tie, hence a miss.
    rounding = 16 * torch.finfo(precise).eps * largest.clamp(min=torch.finfo(precise).min).abs()
    accuracy = (positive.detach() - largest > rounding).float().mean()
    return {"loss": loss, "accuracy": accuracy, "chance": 1 / (1 + count), "negatives": count}


class _LogSumExp(torch.autograd.Function):
    """log sum_j exp(q_i . k_j) over the keys that a query does not exclude, [Q], and the largest of these scores, [Q]."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, exclude: Tensor) -> tuple[Tensor, Tensor]:
        largest = query.new_full((len(query),), -torch.inf)
        total = query.new_zeros(len(query))  # sum of exp(score - largest)
        for rows, columns in _tiles(query, key):
            scores = query[rows] @ key[columns].T
            _fill(scores, exclude[rows], columns, -torch.inf)
            before, now = largest[rows], torch.maximum(largest[rows], scores.amax(1))
            # nothing but -inf so far: any finite shift gives a sum of 0
            shift = now.clamp(min=torch.finfo(now.dtype).min)
            total[rows] = total[rows] * (before - shift).exp() + scores.sub_(shift[:, None]).exp_().sum(1)
            largest[rows] = now
        result = total.log() + largest.clamp(min=torch.finfo(largest.dtype).min)
        ctx.save_for_backward(query, key, exclude, result)
        ctx.mark_non_differentiable(largest)
        return result, largest

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        query, key, exclude, result = ctx.saved_tensors
        up = grads[0]
        to_query = torch.zeros_like(query) if ctx.needs_input_grad[0] else None
        to_key = torch.zeros_like(key) if ctx.needs_input_grad[1] else None
        with torch.autocast(query.device.type, enabled=False):
            for rows, columns in _tiles(query, key):
                q, k = query[rows], key[columns]
                share = torch.addmm(-result[rows, None], q, k.T).exp_()  # each key's share of its query's softmax
                _fill(share, exclude[rows], columns, 0.0)
                if to_query is not None:
                    to_query[rows].addmm_(share, k)
                if to_key is not None:
                    to_key[columns].addmm_(share.T, q * up[rows, None])
        return None if to_query is None else to_query.mul_(up[:, None]), to_key, None


def _tiles(query: Tensor, key: Tensor) -> Iterator[tuple[slice, slice]]:
    height, width = TILES.get(query.device.type, TILES["cuda"])
    for top in range(0, len(query), height):
        for left in range(0, len(key), width):
            yield slice(top, min(top + height, len(query))), slice(left, min(left + width, len(key)))


def _fill(tile: Tensor, exclude: Tensor, columns: slice, value: float) -> None:
    """Set what is excluded to `value`, which is the smallest that the tile can hold.

    Nothing is read back from a GPU.
    """
    if exclude.shape[1]:
        place = exclude - columns.start
        here = (place >= 0) & (place < tile.shape[1])
        fill = torch.where(here, value, torch.inf).to(tile.dtype)
        tile.scatter_reduce_(1, place.clamp(0, tile.shape[1] - 1), fill, "amin")
