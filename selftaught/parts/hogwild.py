"""Threads that train on different parts of a text and on the same tables, without locks.

Recht, Re, Wright, Niu, NIPS 2011, "Hogwild!": where each step touches few rows of large tables, updates that are lost to each other are
rare and do little harm. One thread gives the same bytes every time; several do not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

Ints = NDArray[np.int64]


def slices(sentences: Ints, first: int, last: int, parts: int) -> Ints:
    """Borders of at most `parts` runs of whole sentences from `first` to before `last`, about equally many words each.

    Args:
        sentences: int64 [S + 1], where each sentence begins, and the end.
        first: See above.
        last: See above; `last` > `first`.
        parts: At least 1. Fewer come back where sentences are too few or too long.

    Returns int64 [K + 1], rising, from `first` to `last`.
    """
    wanted = np.linspace(sentences[first], sentences[last], parts + 1)[1:-1]
    inner = first + np.searchsorted(sentences[first : last + 1], wanted)
    return np.unique(np.concatenate([[first], inner, [last]])).astype(np.int64)


def cores(threads: int) -> int:
    """`threads`, or one for each core that this process may use when that is 0. Raises UserError for a negative number."""
    if threads < 0:
        raise UserError(f"threads must be 0 (one for each core) or more, not {threads}")
    return threads or len(os.sched_getaffinity(0))


def spread(work: Callable[[int, int], None], sentences: Ints, first: int, last: int, threads: int, each: int = 1) -> None:
    """Calls ``work(begin, end)`` for runs of the sentences first .. last, `threads` at once; `work` must let go of the GIL.

    There are `each` runs a thread: of several, a thread that the machine holds up leaves some to the others. One thread has one run.
    """
    borders = slices(sentences, first, last, threads * each if threads > 1 else 1)
    if len(borders) == 2:
        work(first, last)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, int(a), int(b)) for a, b in pairwise(borders)]:
            done.result()
