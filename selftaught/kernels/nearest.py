"""Products of a query with some rows of a large matrix, without copying those rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def products(memory: NDArray[np.float32], query: NDArray[np.float32], index: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [B, C]: query b of [B, D] times each of its rows ``memory[index[b]]`` ([N, D], index int64 [B, C])."""
    found: NDArray[np.float32] = np.empty(index.shape, np.float32)
    _products(memory, query, index, found)
    return found


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _products(memory: Any, query: Any, index: Any, found: Any) -> None:
    for b in range(index.shape[0]):
        for c in range(index.shape[1]):
            row, total = index[b, c], np.float32(0)
            for d in range(memory.shape[1]):
                total += memory[row, d] * query[b, d]
            found[b, c] = total
