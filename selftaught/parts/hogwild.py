"""Threads that train on different parts of a text and update the same tables without locks.

Recht, Re, Wright, Niu, NIPS 2011, "Hogwild!": if each step updates few rows of large tables, lost updates are rare and
do little harm. One thread gives the same result every time; several threads do not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.parts.shuffled import slices

Ints = NDArray[np.int64]

EACH = 4
"""Number of runs for each thread."""


def cores(threads: int) -> int:
    """Return `threads`, or the number of cores that this process may use if `threads` is 0.

    Raises UserError for a negative number.
    """
    if threads < 0:
        raise UserError(f"threads must be at least 0 (0 = one per core), not {threads}")
    return threads or len(os.sched_getaffinity(0))


def spread(work: Callable[[int, int], None], sentences: Ints, threads: int) -> None:
    """Call ``work(first, last)`` for runs of sentences, in `threads` threads.

    `sentences`, int64 [S + 1], are the positions at which the sentences begin. `work` must release the GIL. There are
    `EACH` runs per thread, so that the other threads can take over work from a slow thread. One thread has one run.
    """
    borders = slices(sentences, threads * EACH if threads > 1 else 1)
    if len(borders) == 2:
        work(0, len(sentences) - 1)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, int(a), int(b)) for a, b in pairwise(borders)]:
            done.result()
