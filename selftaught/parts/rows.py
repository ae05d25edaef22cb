"""Where the rows of a bank that is larger than memory are kept: a memory-mapped file, or a Redis server."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class Rows(Protocol):
    """`n` rows of `dim` float32 numbers outside the process, and a count of the writes that they went through."""

    def create(self, chunks: Iterable[tuple[int, Floats]]) -> None:
        """Make all rows anew: (number of the first, rows [B, dim]) at a time. The count starts at 0."""

    def open(self, writes: int) -> None:
        """Go on with what is there. Raises UserError when that is not what went through `writes` writes, or more."""

    def get(self, index: Ints) -> Floats:
        """The rows `index` [B]: a copy, [B, dim]."""

    def put(self, index: Ints, rows: Floats, writes: int) -> None:
        """Replace the rows `index` [B], each once, by `rows` [B, dim], which makes so many writes."""

    def sync(self) -> None:
        """Return when the disk has every row, where that is ours to see to."""


@final
class FileRows:
    """One file of n x dim float32, row after row, mapped into memory: the system keeps as much of it there as fits."""

    def __init__(self, path: Path, n: int, dim: int) -> None:
        self.path, self.n, self.dim = path, n, dim
        self.map: Any = None

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
            raise UserError(f"the bank {self.path} {what}, and the run cannot go on without it: start a new run")
        self.map = np.memmap(self.path, "<f4", "r+" if os.access(self.path, os.W_OK) else "r", shape=(self.n, self.dim))

    def get(self, index: Ints) -> Floats:
        return np.array(self.map[index], dtype=np.float32)

    def put(self, index: Ints, rows: Floats, writes: int) -> None:
        self.map[index] = rows

    def sync(self) -> None:
        self.map.flush()


@final
class RedisRows:
    """One Redis string for each row, ``PREFIX:NUMBER``, and ``PREFIX:writes``, which changes together with the rows.

    How durable they are is the server's affair (its ``appendonly`` and ``save``). One that lost rows is found out by
    its count of writes. Keys stay when a run is deleted: ``redis-cli --scan --pattern 'PREFIX:*' | xargs redis-cli
    del`` removes them.

    Args:
        url: ``redis://[:PASSWORD@]HOST:PORT/DATABASE``, or ``rediss://`` or ``unix://``, see the package redis.
        prefix: Of all keys, the run's own.
        n: Number of rows.
        dim: Numbers in a row.
    """

    def __init__(self, url: str, prefix: str, n: int, dim: int) -> None:
        """Raises UserError when the package is not there or the server does not answer."""
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
                f"the Redis server {self.where} does not have the bank {self.prefix}: give it back its data, or "
                "start a new run"
            )
        if int(found) < writes:
            raise UserError(
                f"the bank {self.prefix} on the Redis server {self.where} is older than the checkpoint (write "
                f"{int(found)} of {writes}): "
                "give the server back its newer data, or start a new run"
            )

    def get(self, index: Ints) -> Floats:
        found = self.server.mget([f"{self.prefix}:{i}" for i in index]) if len(index) else []
        if any(row is None for row in found):
            raise UserError(
                f"the Redis server {self.where} lost rows of the bank {self.prefix}: give it back its data, or "
                "start a new run"
            )
        return np.frombuffer(b"".join(found), "<f4").astype(np.float32).reshape(len(index), self.dim)

    def put(self, index: Ints, rows: Floats, writes: int) -> None:
        rows = np.ascontiguousarray(rows, "<f4")
        pairs: dict[str, Any] = {f"{self.prefix}:{i}": row.tobytes() for i, row in zip(index, rows, strict=True)}
        self.server.mset(pairs | {f"{self.prefix}:writes": writes})  # one command: all of it happens, or nothing

    def sync(self) -> None:
        """Nothing: the server keeps its own promises."""
