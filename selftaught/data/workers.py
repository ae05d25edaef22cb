"""Threads that read and decode: Pillow, simplejpeg, hashing and reading all let go of the interpreter's lock."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

MOST = 16
_pools: dict[int, ThreadPoolExecutor] = {}


def pool() -> ThreadPoolExecutor:
    """This process's threads, one a core (a forked child starts its own)."""
    found = _pools.get(os.getpid())
    if found is None:
        _pools.clear()
        found = _pools.setdefault(os.getpid(), ThreadPoolExecutor(min(MOST, len(os.sched_getaffinity(0))), "selftaught-data"))
    return found
