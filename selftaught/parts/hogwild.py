"""Threads that train on different parts of a text and on the same tables, without locks.

Recht, Re, Wright, Niu, NIPS 2011, "Hogwild!": where each step touches few rows of large tables, updates that are lost
to each other are rare and do little harm. One thread gives the same bytes every time; several do not.
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
"""Runs for each thread."""


def cores(threads: int) -> int:
    """`threads`, or one for each core that this process may use when that is 0.

    Raises UserError for a negative number.
    """
    if threads < 0:
        raise UserError(f"threads must be 0 (one for each core) or more, not {threads}")
    return threads or len(os.sched_getaffinity(0))


def spread(work: Callable[[int, int], None], sentences: Ints, threads: int) -> None:
    """Calls ``work(first, last)`` for runs of the sentences that begin at `sentences`, int64 [S + 1], `threads` at once.

    `work` must let go of the GIL. There are `EACH` runs a thread: one that the machine holds up leaves some to the
    others. One thread has one run.
    """
    borders = slices(sentences, threads * EACH if threads > 1 else 1)
    if len(borders) == 2:
        work(0, len(sentences) - 1)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, int(a), int(b)) for a, b in pairwise(borders)]:
            done.result()
