"""A memory with one row for each sample: what the network said of it when it last saw it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError

CHUNK = 8192
"""Rows that are made, or handed out by `Bank.chunks`, at a time."""


@final
class Bank(nn.Module):
    """`n` rows of width `dim` and length 1, float32, one for each sample (Wu, Xiong, Yu, Lin, CVPR 2018, arXiv 1805.01978).

    Row i follows the features of sample i, v_i <- normalise(momentum * v_i + (1 - momentum) * new). It starts as a random
    direction: uniform in [-1/sqrt(dim/3), 1/sqrt(dim/3)] in every coordinate, as in the authors' release, where the length is
    near 1 and here exactly 1. The start depends on torch's seed alone.

    ::

        bank = Bank(len(source), 128)        # in Method.prepare; its state is in every checkpoint
        bank.rows(index)                     # [..., dim] for int64 [...]; a copy without gradients, on the bank's device
        bank.write(index, rows)              # in Method.after_step, with the rows of all ranks: gather them first
        bank.all()                           # [n, dim]
        for first, rows in bank.chunks(): ...  # the same, rows first, first + 1, ... at a time

    Args:
        n: Samples, at least 1.
        dim: Width of a row, at least 1.
        momentum: What a row keeps of its past, in [0, 1): 0 replaces it.

    Raises:
        UserError: A value out of range.
    """

    memory: Tensor

    def __init__(self, n: int, dim: int, momentum: float = 0.5) -> None:
        super().__init__()
        if n < 1 or dim < 1:
            raise UserError(f"a bank needs at least 1 row of at least 1 number, not {n} rows of {dim}")
        if not 0 <= momentum < 1:
            raise UserError(f"momentum of a bank must be in [0, 1), not {momentum}")
        self.n, self.dim, self.momentum = n, dim, momentum
        seed = int(torch.randint(2**62, ()))
        self.register_buffer("memory", torch.cat([rows for _, rows in _start(n, dim, seed)]))

    def rows(self, index: Tensor) -> Tensor:
        """Rows of the samples `index`, int64 [...]: float32 [..., dim], a copy."""
        return self.memory[index]

    @torch.no_grad()
    def write(self, index: Tensor, rows: Tensor) -> None:
        """Let the rows of the samples `index`, int64 [B], follow `rows`, [B, dim].

        A sample that occurs several times follows the mean of its rows, whatever their order. Give all ranks the same arguments.
        """
        places, mean = _merged(index, rows.float())
        old = self.rows(places)
        self.memory[places] = F.normalize(torch.lerp(mean, old, self.momentum), dim=1)

    def all(self) -> Tensor:
        """Every row, float32 [n, dim]."""
        return self.memory.clone()

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[int, Tensor]]:
        """The rows in order: (number of the first, float32 [up to `size`, dim]) at a time, so that not all must fit in memory."""
        for first in range(0, self.n, size):
            yield first, self.rows(torch.arange(first, min(first + size, self.n), device=self.memory.device))


def _start(n: int, dim: int, seed: int) -> Iterator[tuple[int, Tensor]]:
    """Random directions, chunk by chunk: a pure function of (n, dim, seed)."""
    side = (dim / 3) ** -0.5
    for number, first in enumerate(range(0, n, CHUNK)):
        rng = np.random.Generator(np.random.Philox(key=[seed, number], counter=[0, 0, 0, 0xBA2C]))
        rows = rng.uniform(-side, side, (min(CHUNK, n - first), dim)).astype(np.float32)
        yield first, F.normalize(torch.from_numpy(rows), dim=1)


def _merged(index: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The samples that occur, ascending, and the mean of each one's rows: [U] and [U, dim]."""
    places, which, count = index.unique(return_inverse=True, return_counts=True)
    if len(places) == len(index):
        return places, rows[which.argsort()]
    one_hot = (torch.arange(len(places), device=index.device)[:, None] == which).to(rows.dtype)  # [U, B]
    return places, one_hot @ rows / count[:, None]  # a product, because adding in place has no fixed order on a GPU
