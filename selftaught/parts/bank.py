"""A memory with one row for each sample: what the network said of it when it last saw it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts.gather import barrier, rank
from selftaught.parts.journal import Journal
from selftaught.parts.rows import FileRows, Floats, RedisRows, Rows

CHUNK = 8192
"""Rows that are made, or handed out by `Bank.chunks`, at a time."""
SERVERS = ("redis://", "rediss://", "unix://")


@final
class Bank(nn.Module):
    """`n` rows of width `dim` and length 1, float32, one for each sample (Wu, Xiong, Yu, Lin, CVPR 2018, arXiv 1805.01978).

    Row i follows the features of sample i, v_i <- normalise(momentum * v_i + (1 - momentum) * new). It starts as a
    random direction: uniform in [-1/sqrt(dim/3), 1/sqrt(dim/3)] in every coordinate, as in the authors' release, where
    the length is near 1 and here exactly 1. The start depends on torch's seed alone.

    ::

        bank = Bank(len(source), 128)        # in Method.prepare, which `fit` seeds
        bank.rows(index)                     # [..., dim] for int64 [...]; a copy without gradients, on the bank's
        device bank.scores(v)                       # v [B, dim] with every row: [B, n]
        bank.write(index, rows)              # in Method.after_step, with the rows of all ranks: gather them first
        bank.fill(head, features)            # in Method.before_epoch, to start from features instead
        bank.all()                           # [n, dim]
        for first, rows in bank.chunks(): ...  # the same, rows first, first + 1, ... at a time

    The same calls give the same bytes whatever the store. In memory, the rows are a buffer, so every checkpoint holds
    all of them. In a file of the run folder or on a Redis server they may be larger than memory, and stay where they
    are: a checkpoint holds how often the bank was written, and a `Journal` in the run folder undoes what was written
    after it. With several ranks the first one writes and all read: a file therefore needs all ranks on one machine, or
    a file system that they share.

    Args:
        n: Samples, at least 1.
        dim: Width of a row, at least 1.
        momentum: What a row keeps of its past, in [0, 1): 0 replaces it.
        store: "memory", "file", or the URL of a Redis server, redis://HOST:PORT/DATABASE, which needs the extra
            'redis'.

    Raises:
        UserError: A value out of range; later, a file or a server that is not there or does not hold what the
            checkpoint needs.
    """

    memory: Tensor
    seed: Tensor
    writes: Tensor

    def __init__(self, n: int, dim: int, momentum: float = 0.5, store: str = "memory") -> None:
        super().__init__()
        if n < 1 or dim < 1:
            raise UserError(f"a bank needs at least 1 row of at least 1 number, not {n} rows of {dim}")
        if not 0 <= momentum < 1:
            raise UserError(f"momentum of a bank must be in [0, 1), not {momentum}")
        if store not in ("memory", "file") and not store.startswith(SERVERS):
            raise UserError(f"a bank is kept in memory, in a file, or at redis://HOST:PORT/DATABASE, not in '{store}'")
        self.n, self.dim, self.momentum, self.store = n, dim, momentum, store
        self.folder: Path | None = None
        self.train_run = False
        self.kept: Rows | None = None
        self.register_buffer("seed", torch.randint(2**62, ()))
        self.register_buffer("writes", torch.zeros((), dtype=torch.long))
        if store == "memory":
            self.register_buffer(
                "memory", torch.cat([torch.from_numpy(rows) for _, rows in _start(n, dim, int(self.seed))])
            )

    def rows(self, index: Tensor) -> Tensor:
        """Rows of the samples `index`, int64 [...]: float32 [..., dim], a copy."""
        if self.store == "memory":
            return self.memory[index]
        found = self._outside().get(index.flatten().cpu().numpy())
        return torch.from_numpy(found).view(*index.shape, self.dim).to(self.writes.device)

    @torch.no_grad()
    def write(self, index: Tensor, rows: Tensor, momentum: float | None = None) -> None:
        """Let the rows of the samples `index`, int64 [B], follow `rows`, [B, dim], with the bank's momentum or another; 0 forgets the old.

        A sample that occurs several times follows the mean of its rows, whatever their order. Give all ranks the same
        arguments.
        """
        self.writes.add_(1)
        places, mean = _merged(index, rows.float())
        if self.store == "memory":
            self.memory[places] = self._followed(places, mean, momentum)
            return
        kept = self._outside()
        if rank() == 0:
            at = places.cpu().numpy()
            self.journal.note(at, kept.get)
            kept.put(at, self._followed(places, mean, momentum).cpu().numpy(), int(self.writes))
        barrier()

    @torch.no_grad()
    def fill(self, network: Callable[[Tensor], Tensor], features: Tensor) -> None:
        """Every row becomes the direction of what `network` makes of its sample's features.

        [n, E], of which it maps [B, E] to [B, dim].
        """
        for index in torch.arange(self.n, device=self.writes.device).split(CHUNK):
            self.write(index, network(features[index]), momentum=0)

    def _followed(self, places: Tensor, mean: Tensor, momentum: float | None) -> Tensor:
        return F.normalize(torch.lerp(mean, self.rows(places), self.momentum if momentum is None else momentum), dim=1)

    def scores(self, v: Tensor) -> Tensor:
        """v . v_i of `v` [B, dim] with every row i: [B, n], with gradients to `v`."""
        if self.store == "memory":
            return v @ self.memory.T
        return torch.cat([v @ rows.T for _, rows in self.chunks()], 1)

    def all(self) -> Tensor:
        """Every row, float32 [n, dim]."""
        return torch.cat([rows for _, rows in self.chunks()])

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[int, Tensor]]:
        """The rows in order: (number of the first, float32 [up to `size`, dim]) at a time, so that not all must fit in memory."""
        for first in range(0, self.n, size):
            yield first, self.rows(torch.arange(first, min(first + size, self.n), device=self.writes.device))

    # --- outside the process ------------------------------------------------------------------------------------------

    def attach(self, folder: Path, train: bool = True) -> None:
        """`folder` is where what belongs to this bank is kept. With `train` False it is only read, after loading."""
        self.folder, self.train_run, self.kept = folder, train, None
        self.journal = Journal(folder, self.n, self.dim)

    def saving(self, step: int, wanted: Collection[int]) -> None:
        """A checkpoint of this step is about to be written; those of the steps `wanted` are there.

        Called on the first rank.
        """
        if self.store != "memory":
            self._outside().sync()
            self.journal.mark(int(self.writes), step, wanted)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        """Rows outside go back to what they were when this state was saved."""
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        if self.store == "memory" or self.folder is None:
            return
        writes = int(self.writes)
        if not self.train_run:
            self.journal.must_be_at(writes)
            self.kept = self._connect()
            self.kept.open(writes)
        elif self.kept is None and writes == 0:
            self._outside()  # made anew from the seed: they were never written to
        else:
            self._rewind(writes)

    def _rewind(self, writes: int) -> None:
        fresh = self.kept is None
        kept = self.kept = self.kept or self._connect()
        if fresh:
            kept.open(writes)
        if rank() == 0:
            self.journal.rewind(writes, lambda index, rows: kept.put(index, rows, writes))
            kept.sync()
            self.journal.forget(writes)
        barrier()

    def _outside(self) -> Rows:
        """Where the rows are; made on first use, unless loading a state found them."""
        if self.kept is None:
            if self.folder is None or not self.train_run:
                raise UserError(
                    f"a bank in '{self.store}' belongs to a run, which keeps its rows: train it, or load it from there"
                )
            if rank() == 0:
                self.journal.start()
                self.kept = self._connect()
                self.kept.create(_start(self.n, self.dim, int(self.seed)))
            barrier()
            if self.kept is None:
                self.kept = self._connect()
                self.kept.open(0)
        return self.kept

    def _connect(self) -> Rows:
        assert self.folder is not None
        if self.store == "file":
            return FileRows(self.folder / "rows.f32", self.n, self.dim)
        name = self.folder / "redis-id"
        if not name.exists():
            name.write_text(secrets.token_hex(8))
        return RedisRows(self.store, f"selftaught:{name.read_text()}", self.n, self.dim)


def _start(n: int, dim: int, seed: int) -> Iterator[tuple[int, Floats]]:
    """Random directions, chunk by chunk: a pure function of (n, dim, seed)."""
    side = (dim / 3) ** -0.5
    for number, first in enumerate(range(0, n, CHUNK)):
        rng = np.random.Generator(np.random.Philox(key=[seed, number], counter=[0, 0, 0, 0xBA2C]))
        rows = rng.uniform(-side, side, (min(CHUNK, n - first), dim)).astype(np.float32)
        yield first, rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _merged(index: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The samples that occur, ascending, and the mean of each one's rows: [U] and [U, dim]."""
    places, which, count = index.unique(return_inverse=True, return_counts=True)
    if len(places) == len(index):
        return places, rows[which.argsort()]
    one_hot = (torch.arange(len(places), device=index.device)[:, None] == which).to(rows.dtype)  # [U, B]
    return places, one_hot @ rows / count[:, None]  # a product, because adding in place has no fixed order on a GPU
