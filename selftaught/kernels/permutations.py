"""Permutations that differ in as many places as possible."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.int8]
Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def spread(candidates: Bytes, count: int) -> tuple[Ints, int]:
    """Choose `count` of the candidates greedily, so that their smallest Hamming distance stays large.

    Starts with the first candidate. The next is the one whose smallest distance to those chosen is largest; among
    equals the one with the largest sum of distances, then the first.

    Args:
        candidates: Distinct rows, int8 [M, n].
        count: Number of rows to choose, in [1, M].

    Returns the indices of the chosen rows, int64 [count], and the smallest distance of any two (n for a single row).
    """
    rows, n = candidates.shape
    nearest, total = np.full(rows, n, np.int64), np.zeros(rows, np.int64)
    chosen, smallest, last = np.zeros(count, np.int64), n, 0
    for k in range(1, count):
        best = -1
        for r in range(rows):
            distance = 0
            for i in range(n):
                distance += candidates[r, i] != candidates[last, i]
            nearest[r] = min(nearest[r], distance)
            total[r] += distance
            if best < 0 or nearest[r] > nearest[best] or (nearest[r] == nearest[best] and total[r] > total[best]):
                best = r
        smallest = min(smallest, nearest[best])
        chosen[k], last = best, best
    return chosen, smallest
