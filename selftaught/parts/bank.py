"""A memory bank with one row for each sample: its past features."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
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
"""Number of rows that are created, or returned by `Bank.chunks`, at a time."""
SERVERS = ("redis://", "rediss://", "unix://")


@final
class Bank(nn.Module):
    """Memory bank of `n` rows of length 1, float32 [n, dim], one per sample (Wu et al., CVPR 2018, arXiv 1805.01978).

    Row i is a running average of the features of sample i, v_i <- normalise(momentum * v_i + (1 - momentum) * new). It
    starts as a random direction: uniform in [-1/sqrt(dim/3), 1/sqrt(dim/3)] in every coordinate, as in the authors'
    release, where the length is near 1; here it is exactly 1. The start depends on torch's seed only.

    >>> import torch
    >>> bank = Bank(n=4, dim=2, momentum=0.0)  # in Method.prepare
    >>> bank.write(torch.tensor([1]), torch.tensor([[0.0, 3.0]]))  # in Method.after_step
    >>> bank.rows(torch.tensor([1]))
    tensor([[0., 1.]])
    >>> bank.identify(torch.tensor([[0.0, 1.0]]), torch.tensor([1]), temperature=0.1)["accuracy"]
    tensor(1.)

    With several ranks, `write` needs the rows of all ranks: `gather` them first. `fill` starts from features instead of
    random rows, in Method.before_epoch.

    The result is the same for every store. In memory, the rows are a buffer, so every checkpoint contains all of them.
    In a file of the run folder or on a Redis server they may be larger than memory and are not copied: a checkpoint
    contains the number of writes, and a `Journal` in the run folder undoes later writes. With several ranks the first
    rank writes and all ranks read. A file therefore needs all ranks on one machine, or a shared file system.

    Args:
        n: Number of samples, at least 1.
        dim: Dimension of a row, at least 1.
        momentum: Momentum of a row, in [0, 1). 0 replaces the row.
        store: "memory", "file", or the URL of a Redis server, redis://HOST:PORT/DATABASE, which needs the extra
            'redis'.

    Raises:
        UserError: An argument is out of range. Later, a file or server is missing or does not hold the rows of the
            checkpoint.
    """

    memory: Tensor
    seed: Tensor
    writes: Tensor

    def __init__(self, n: int, dim: int, momentum: float = 0.5, store: str = "memory") -> None:
        super().__init__()
        if n < 1 or dim < 1:
            raise UserError(f"n and dim of a bank must be at least 1, not {n} and {dim}")
        if not 0 <= momentum < 1:
            raise UserError(f"momentum of a bank must be in [0, 1), not {momentum}")
        if store not in ("memory", "file") and not store.startswith(SERVERS):
            raise UserError(f"store of a bank must be memory, file, or redis://HOST:PORT/DATABASE, not '{store}'")
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
        """Return a copy of the rows of the samples `index`, int64 [...]: float32 [..., dim], without gradients."""
        if self.store == "memory":
            return self.memory[index]
        found = self._outside().get(index.flatten().cpu().numpy())
        return torch.from_numpy(found).view(*index.shape, self.dim).to(self.writes.device)

    @torch.no_grad()
    def write(self, index: Tensor, rows: Tensor, momentum: float | None = None) -> None:
        """Update the rows of the samples `index`, int64 [B], with `rows`, [B, dim].

        `momentum` overrides the bank's momentum; 0 replaces the rows. A sample that occurs several times uses the mean
        of its rows, in any order. Pass the same arguments on all ranks.
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
    def fill(self, network: Callable[[Tensor], Tensor], parts: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Set rows to the direction of `network` applied to features of their samples, a few thousand at a time.

        `parts` are samples, int64 [B], with their features [B, E], such as `Embed.parts`; `network` maps [B, E] to [B,
        dim].
        """
        held: list[tuple[Tensor, Tensor]] = []
        for part in parts:
            held.append(part)
            if sum(len(index) for index, _ in held) >= CHUNK:
                self._fill(network, held)
                held = []
        if held:
            self._fill(network, held)

    def _fill(self, network: Callable[[Tensor], Tensor], held: list[tuple[Tensor, Tensor]]) -> None:
        index, features = (torch.cat(part) for part in zip(*held, strict=True))
        self.write(index, network(features), momentum=0)

    def _followed(self, places: Tensor, mean: Tensor, momentum: float | None) -> Tensor:
        return F.normalize(torch.lerp(mean, self.rows(places), self.momentum if momentum is None else momentum), dim=1)

    def identify(self, v: Tensor, index: Tensor, temperature: float) -> dict[str, Tensor]:
        """Return the loss of identifying each of `v` [B, dim] as its sample `index` [B] among all rows.

        -mean_i log( exp(v_i . r_i / t) / sum_j exp(v_i . r_j / t) ), as "loss"; "accuracy", how often the own row has
        the largest score; and "chance", 1 / n.
        """
        total, _, nearest = self.logsumexp(v, temperature)
        own = (v * self.rows(index)).sum(1) / temperature
        return {
            "loss": (total - own).mean(),
            "accuracy": (nearest == index).float().mean(),
            "chance": torch.tensor(1 / self.n),
        }

    def logsumexp(self, v: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return log sum_j exp(v . r_j / t), with gradients to `v` [B, dim]; the largest v . r_j; and its sample.

        Each is [B]. The rows are read a chunk at a time, and again in the backward pass, so the table [B, n] is never
        held.
        """
        with torch.autocast(v.device.type, enabled=False):
            v = v.to(torch.promote_types(v.dtype, torch.float32))
            total, largest, place = _LogSumExp.apply(v, self, temperature)  # type: ignore[no-untyped-call]
        return total, largest, place

    @torch.no_grad()
    def nearest(self, v: Tensor, count: int) -> Tensor:
        """Return the samples of the `count` rows with the largest inner products with `v` [B, dim], largest first.

        int64 [B, count], all samples if there are fewer.
        """
        values, samples = v.new_empty(len(v), 0), torch.empty(len(v), 0, dtype=torch.long, device=v.device)
        for first, rows in self.chunks():
            scores = v @ rows.to(v.dtype).T
            values = torch.cat([values, scores], 1)
            samples = torch.cat([samples, torch.arange(first, first + len(rows), device=v.device).expand_as(scores)], 1)
            values, best = values.topk(min(count, values.shape[1]), dim=1)
            samples = samples.gather(1, best)
        return samples

    def all(self) -> Tensor:
        """Return every row, float32 [n, dim]: all of them in memory, whatever the store."""
        return torch.cat([rows for _, rows in self.chunks()])

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[int, Tensor]]:
        """Yield the rows in order as (index of the first row, float32 [up to `size`, dim]).

        Not all rows must fit in memory.
        """
        for first in range(0, self.n, size):
            last = min(first + size, self.n)
            if self.store == "memory":
                yield first, self.memory[first:last].clone()
            else:
                yield first, self.rows(torch.arange(first, last, device=self.writes.device))

    # --- outside the process ------------------------------------------------------------------------------------------

    def attach(self, folder: Path, train: bool = True) -> None:
        """Set the folder for the files of this bank. With `train` False, the rows are only read, after loading."""
        self.folder, self.train_run, self.kept = folder, train, None
        self.journal = Journal(folder, self.n, self.dim)

    def saving(self, step: int, wanted: Collection[int]) -> None:
        """Prepare for the checkpoint of `step`, on the first rank. Checkpoints of the steps `wanted` exist."""
        if self.store != "memory":
            self._outside().sync()
            self.journal.mark(int(self.writes), step, wanted)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        """Restore rows outside the checkpoint to their values when this state was saved."""
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        if self.store == "memory" or self.folder is None:
            return
        writes = int(self.writes)
        if not self.train_run:
            self.journal.must_be_at(writes)
            self.kept = self._connect()
            self.kept.open(writes)
        elif self.kept is None and writes == 0:
            self._outside()  # created again from the seed, because they were never written
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
        """Return the external rows. They are created on first use, unless loading a state found them."""
        if self.kept is None:
            if self.folder is None or not self.train_run:
                raise UserError(
                    f"a bank in '{self.store}' needs a run folder: train the method in a run, or load it from its run"
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


class _LogSumExp(torch.autograd.Function):
    """log sum_j exp(v . r_j / t) over all rows of a bank, the largest v . r_j, and its sample: [B] each."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, bank: Bank, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
        largest, place = v.new_full((len(v),), -torch.inf), torch.zeros(len(v), dtype=torch.long, device=v.device)
        total = v.new_zeros(len(v))  # sum of exp(score - largest)
        for first, rows in bank.chunks():
            scores = v @ rows.to(v.dtype).T
            best = scores.max(1)
            now = torch.maximum(largest, best.values)
            place = torch.where(best.values > largest, best.indices + first, place)
            shares = scores.sub_(now[:, None]).div_(temperature).exp_()
            total = total * ((largest - now) / temperature).exp() + shares.sum(1)
            largest = now
        result = total.log() + largest / temperature
        ctx.save_for_backward(v, result)
        ctx.bank, ctx.temperature = bank, temperature
        ctx.mark_non_differentiable(largest, place)
        return result, largest, place

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        v, result = ctx.saved_tensors
        found = torch.zeros_like(v)
        with torch.autocast(v.device.type, enabled=False):
            for _, rows in ctx.bank.chunks():  # as they were in the forward pass: they change in after_step alone
                rows = rows.to(v.dtype)
                shares = (v @ rows.T).div_(ctx.temperature).sub_(result[:, None]).exp_()
                found.addmm_(shares, rows)
        return found * (grads[0] / ctx.temperature)[:, None], None, None


def _start(n: int, dim: int, seed: int) -> Iterator[tuple[int, Floats]]:
    """Return random directions, chunk by chunk: a pure function of (n, dim, seed)."""
    side = (dim / 3) ** -0.5
    for number, first in enumerate(range(0, n, CHUNK)):
        rng = np.random.Generator(np.random.Philox(key=[seed, number], counter=[0, 0, 0, 0xBA2C]))
        rows = rng.uniform(-side, side, (min(CHUNK, n - first), dim)).astype(np.float32)
        yield first, rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _merged(index: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct samples, ascending, [U], and the mean of the rows of each, [U, dim]."""
    places, which, count = index.unique(return_inverse=True, return_counts=True)
    if len(places) == len(index):
        return places, rows[which.argsort()]
    one_hot = (torch.arange(len(places), device=index.device)[:, None] == which).to(rows.dtype)  # [U, B]
    return places, one_hot @ rows / count[
        :, None
    ]  # a matrix product, because in-place addition has no fixed order on a GPU
