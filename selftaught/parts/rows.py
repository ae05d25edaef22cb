"""Storage for the rows of a bank that is larger than memory: a memory-mapped file, or a Redis server."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

TOUCHED = 1 << 28
"""Bytes of a file's pages that a process holds at most before it gives them back."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class Rows(Protocol):
    """`n` rows of `dim` float32 numbers outside the process, and the number of writes."""

    def create(self, chunks: Iterable[tuple[int, Floats]]) -> None:
        """Create all rows from chunks (index of the first row, rows [B, dim]). The number of writes starts at 0."""

    def open(self, writes: int) -> None:
        """Use the existing rows. Raises UserError when they had fewer than `writes` writes, or are missing."""

    def get(self, index: Ints) -> Floats:
        """Return a copy of the rows `index` [B]: [B, dim]."""

    def put(self, index: Ints, rows: Floats, writes: int) -> None:
        """Replace the rows `index` [B], without repetition, by `rows` [B, dim], and set the number of writes."""

    def sync(self) -> None:
        """Return when every row is on disk, if this process is responsible for it."""


@final
class FileRows:
    """One memory-mapped file of n x dim float32 numbers, row after row.

    The system keeps as much of it in memory as fits. What this process has touched is given back now and then: it does
    not count as memory of the process.
    """

    def __init__(self, path: Path, n: int, dim: int) -> None:
        self.path, self.n, self.dim = path, n, dim
        self.map: Any = None
        self.touched = 0  # bytes of pages since they were given back

    def create(self, chunks: Iterable[tuple[int, Floats]]) -> None:
        try:
            with self.path.open("wb") as file:
                for _, rows in chunks:
                    file.write(np.ascontiguousarray(rows, "<f4").tobytes())
                file.flush()
                os.fsync(file.fileno())
        except OSError as e:
            size = self.n * self.dim * 4 / 2**30
            raise UserError(
                f"cannot write the bank {self.path}, {size:.3g} GiB: {e.strerror}; make room, or use a smaller dim"
            ) from e
        self.open(0)

    def open(self, writes: int) -> None:
        found = self.path.stat().st_size if self.path.exists() else None
        if found != self.n * self.dim * 4:
            what = "is gone" if found is None else f"has {found} bytes instead of {self.n * self.dim * 4}"
            raise UserError(f"the bank {self.path} {what}, and the run cannot continue without it: start a new run")
        writable = os.access(self.path, os.W_OK)
        with self.path.open("r+b" if writable else "rb") as file:
            self.mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
        self.map = np.frombuffer(self.mapped, "<f4").reshape(self.n, self.dim)

    def get(self, index: Ints) -> Floats:
        found = np.array(self.map[index], dtype=np.float32)
        self._touched(len(index))
        return found

    def put(self, index: Ints, rows: Floats, writes: int) -> None:
        self.map[index] = rows
        self._touched(len(index))

    def _touched(self, rows: int) -> None:
        self.touched += rows * max(self.dim * 4, mmap.PAGESIZE)  # at most: rows that are neighbours share pages
        if self.touched > TOUCHED:
            self.mapped.madvise(mmap.MADV_DONTNEED)  # the file keeps what was written
            self.touched = 0

    def sync(self) -> None:
        self.mapped.flush()


@final
class RedisRows:
    """One Redis string for each row, ``PREFIX:NUMBER``, and ``PREFIX:writes``, which is changed together with the rows.

    Durability depends on the server's settings ``appendonly`` and ``save``. A server that lost rows is detected by its
    number of writes. Keys are not removed when a run is deleted; to remove them, run ``redis-cli --scan --pattern
    'PREFIX:*' | xargs redis-cli del``.

    Args:
        url: ``redis://[:PASSWORD@]HOST:PORT/DATABASE``, or ``rediss://`` or ``unix://``; see the package redis.
        prefix: Prefix of all keys, different for each run.
        n: Number of rows.
        dim: Dimension of a row.
    """

    def __init__(self, url: str, prefix: str, n: int, dim: int) -> None:
        """Raises UserError when the package redis is not installed or the server does not answer."""
        try:
            import redis
        except ImportError:
            raise UserError("a bank in Redis needs the extra 'redis': pip install 'selftaught[redis]'") from None
        self.prefix, self.n, self.dim = prefix, n, dim
        self.where = urlsplit(url)._replace(query="").geturl().rpartition("@")[2]  # no password in messages
        try:
            self.server: Any = redis.Redis.from_url(url)
            self.server.ping()
        except (redis.RedisError, ValueError, OSError) as e:
            raise UserError(f"no Redis server answers at {self.where} ({e}): start one, or use bank='file'") from e

    def create(self, chunks: Iterable[tuple[int, Floats]]) -> None:
        for first, rows in chunks:
            self.put(np.arange(first, first + len(rows)), rows, 0)

    def open(self, writes: int) -> None:
        found = self.server.get(f"{self.prefix}:writes")
        if found is None:
            raise UserError(
                f"the Redis server {self.where} does not have the bank {self.prefix}: restore its data, or "
                "start a new run"
            )
        if int(found) < writes:
            raise UserError(
                f"the bank {self.prefix} on the Redis server {self.where} is older than the checkpoint (write "
                f"{int(found)} of {writes}): "
                "restore the newer data of the server, or start a new run"
            )

    def get(self, index: Ints) -> Floats:
        found = self.server.mget([f"{self.prefix}:{i}" for i in index]) if len(index) else []
        if any(row is None for row in found):
            raise UserError(
                f"the Redis server {self.where} lost rows of the bank {self.prefix}: restore its data, or "
                "start a new run"
            )
        return np.frombuffer(b"".join(found), "<f4").astype(np.float32).reshape(len(index), self.dim)

    def put(self, index: Ints, rows: Floats, writes: int) -> None:
        rows = np.ascontiguousarray(rows, "<f4")
        pairs: dict[str, Any] = {f"{self.prefix}:{i}": row.tobytes() for i, row in zip(index, rows, strict=True)}
        self.server.mset(pairs | {f"{self.prefix}:writes": writes})  # one command, so the change is atomic

    def sync(self) -> None:
        """Do nothing: durability depends on the server."""
