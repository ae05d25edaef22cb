"""Shuffle BN: keys are normalised in other company than their queries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from selftaught.parts.gather import gather, rank


@torch.no_grad()
def shuffled(network: Callable[[Tensor], Tensor], x: Tensor, seed: int, step: int) -> Tensor:
    """`network(x)`, row for row, while `network` sees the rows of all ranks in another order. No gradients.

    Batch statistics that a query shares with its key are a signature by which the pair can be told without looking at
    the content (He et al. 2020, "Momentum Contrast", section 3.3). Rows are permuted over all ranks, hence over all
    groups of a split batch norm, and put back afterwards. The permutation is a pure function of (seed, step), the same
    on every rank. x: [B, ...] to [B, D].
    """
    everyone = gather(x)  # [R * B, ...]
    order = torch.from_numpy(permutation(len(everyone), seed, step)).to(x.device)
    mine = slice(rank() * len(x), (rank() + 1) * len(x))
    seen = gather(network(everyone[order[mine]]))  # [R * B, D], in the order seen
    return seen[order.argsort()[mine]]


def permutation(n: int, seed: int, step: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A permutation of n, a pure function of its arguments.

    The third word keeps it apart from other uses of (seed, step).
    """
    return np.random.Generator(np.random.Philox(key=[seed, step], counter=[0, 0, 0, 0x5B4E])).permutation(n)
