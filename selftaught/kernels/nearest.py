"""The largest entries of rows, and products of queries with a few rows of a large matrix without copying those."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

STEP = 32
"""A sample of every 32nd entry tells about where the largest begin."""


def largest(x: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Where the `count` largest entries of each row of [B, N] are, int64 [B, count] in rising order, and the least.

    Of equal ones the first are taken. With `count` far below N several times as quick as sorting out all of them.
    """
    expected = count / STEP
    found = np.empty((len(x), count), np.int64)
    least: NDArray[np.float32] = np.empty(len(x), np.float32)
    # by three standard deviations of the number of those in the sample, so that it hardly ever has too few
    _largest(x, count, int(expected + 3 * math.sqrt(expected)) + 3, found, least)
    return found, least


@njit(cache=True, nogil=True)
def _largest(x: Any, count: int, guard: int, found: Any, least: Any) -> None:
    above = np.empty(x.shape[1], np.int64)
    for b in range(x.shape[0]):
        row = x[b]
        some = row[::STEP]
        bound = -np.inf
        if guard < len(some):
            bound = np.partition(some, len(some) - guard)[len(some) - guard]
        size = 0
        for i in range(len(row)):
            if row[i] >= bound:
                above[size] = i
                size += 1
        if size < count:
            for i in range(len(row)):
                above[i] = i
            size = len(row)
        among = row[above[:size]]
        last = np.partition(among, size - count)[size - count]
        equal = count - np.sum(among > last)
        taken = 0
        for i in range(size):
            if among[i] > last or (among[i] == last and equal > 0):
                equal -= among[i] == last
                found[b, taken] = above[i]
                taken += 1
        least[b] = last


def products(memory: NDArray[np.float32], query: NDArray[np.float32], index: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [B, C]: query b of [B, D] times each of its rows ``memory[index[b]]`` ([N, D], index int64 [B, C]).

    Row after row of the large matrix, so that one that several queries ask for is read once.
    """
    found: NDArray[np.float32] = np.empty(index.shape, np.float32)
    _products(memory, query, index, np.argsort(index, axis=None, kind="stable"), found)
    return found


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _products(memory: Any, query: Any, index: Any, order: Any, found: Any) -> None:
    for place in order:
        b, c = place // index.shape[1], place % index.shape[1]
        row, total = index[b, c], np.float32(0)
        for d in range(memory.shape[1]):
            total += memory[row, d] * query[b, d]
        found[b, c] = total
