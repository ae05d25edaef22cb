"""The rows that words and hashed character n-grams have in a table, from an encoder or a file of the fastText tool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray


@final
@dataclass(frozen=True, eq=False)
class SubwordRows:
    """A table of word and n-gram vectors.

    Args:
        words: V words; word i has row i.
        counts: int64 [V], how often each occurred.
        table: float32 [R, dim], which may be memory-mapped.
        row_of: int32 [bucket]: the row of each hash bucket, -1 if it has none. Empty without n-grams.
        minn: Smallest number of characters in an n-gram, with the marks around a word.
        maxn: Largest number of characters, 0 for no n-grams.
        bucket: Number of hash buckets.
    """

    words: Sequence[str]
    counts: NDArray[np.int64]
    table: NDArray[np.float32]
    row_of: NDArray[np.int32]
    minn: int
    maxn: int
    bucket: int

    @property
    def dim(self) -> int:
        """The dimension of a row."""
        return int(self.table.shape[1])

    def first(self, count: int) -> Self:
        """Return the first `count` words, or all if there are fewer, and all n-grams. The table is shared."""
        return replace(self, words=self.words[:count], counts=self.counts[:count])

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word, the first of a repeated one."""
        found: dict[str, Any] = {}
        for row, word in enumerate(self.words):
            found.setdefault(word, row)
        return found
