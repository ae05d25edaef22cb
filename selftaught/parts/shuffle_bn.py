"""Shuffle BN: keys are normalised in other batches than their queries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from selftaught.parts.gather import gather, rank


@torch.no_grad()
def shuffled(network: Callable[[Tensor], Tensor], x: Tensor, seed: int, step: int) -> Tensor:
    """Return `network(x)`, computed with the rows of all ranks in shuffled order. No gradients.

    Batch statistics that a query shares with its key would reveal the pair without looking at the content (He et al.
    2020, "Momentum Contrast", section 3.3). Rows are permuted over all ranks, and therefore over all groups of a split
    batch norm, and put back afterwards. The permutation is a pure function of (seed, step), the same on every rank. x:
    [B, ...] to [B, D].
    """
    everyone = gather(x)  # [R * B, ...]
    order = torch.from_numpy(permutation(len(everyone), seed, step)).to(x.device)
    mine = slice(rank() * len(x), (rank() + 1) * len(x))
    seen = gather(network(everyone[order[mine]]))  # [R * B, D], in shuffled order
    return seen[order.argsort()[mine]]


def permutation(n: int, seed: int, step: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return a permutation of n, as a pure function of the arguments.

    The third word of the key separates it from other uses of (seed, step).
    """
    return np.random.Generator(np.random.Philox(key=[seed, step], counter=[0, 0, 0, 0x5B4E])).permutation(n)
