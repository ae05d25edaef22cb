"""Threads for reading and decoding. Pillow, simplejpeg, hashing and reading all release the interpreter lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
MOST = 16
NAME = "selftaught-data"
_pools: dict[int, ThreadPoolExecutor] = {}


def spread(function: Callable[[int], T], positions: Sequence[int]) -> Iterator[T]:
    """Return `function` of each position, in order, computed by the threads of this process."""
    # a worker that waits for other workers could wait for ever
    if len(positions) < 2 or threading.current_thread().name.startswith(NAME):
        return map(function, positions)
    return _pool().map(function, positions)


def _pool() -> ThreadPoolExecutor:
    # One thread per core; a forked child starts its own.
    found = _pools.get(os.getpid())
    if found is None:
        _pools.clear()
        found = _pools.setdefault(os.getpid(), ThreadPoolExecutor(min(MOST, len(os.sched_getaffinity(0))), NAME))
    return found
