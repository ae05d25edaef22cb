"""Words and their vectors, from any method, for evaluation and export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.parts.subword_rows import SubwordRows

Vector = NDArray[np.float32]


@final
@dataclass(frozen=True, eq=False)
class WordVectors:
    """One vector for each word.

    Args:
        words: V words, the most frequent first if counts are known.
        matrix: float32 [V, D].
        counts: int64 [V], how often each word occurred in training.
        unseen: Returns the vector [D] of a word that is not in `words`, or None if it has none (subword models).

    Raises UserError when words, matrix and counts do not have the same length.

    >>> import numpy as np
    >>> vectors = WordVectors(("cat", "dog"), np.array([[1, 0], [3, 4]], np.float32))
    >>> vectors.dim, vectors.index["dog"], vectors.vector("dog").tolist()
    (2, 1, [3.0, 4.0])
    >>> vectors.vector("unicorn") is None
    True
    """

    words: tuple[str, ...]
    matrix: NDArray[np.float32]
    counts: NDArray[np.int64] | None = None
    unseen: Callable[[str], Vector | None] | None = None

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or len(self.matrix) != len(self.words):
            raise UserError(
                f"{len(self.words)} words need as many rows, but the vectors have shape {list(self.matrix.shape)}"
            )
        if self.counts is not None and len(self.counts) != len(self.words):
            raise UserError(f"{len(self.words)} words need as many counts, but there are {len(self.counts)}")

    def __len__(self) -> int:
        return len(self.words)

    @property
    def dim(self) -> int:
        """The dimension D of the vectors."""
        return int(self.matrix.shape[1])

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word, or the first row of a repeated word."""
        return {word: row for row, word in reversed(list(enumerate(self.words)))}

    @cached_property
    def unit(self) -> NDArray[np.float32]:
        """The rows scaled to length 1 (zero rows stay zero), so that products are cosines. float32 [V, D]."""
        norms = np.linalg.norm(self.matrix, axis=1, keepdims=True)
        found: NDArray[np.float32] = self.matrix / np.maximum(norms, np.float32(1e-12))
        return found

    def first(self, count: int) -> Self:
        """Return the first `count` words, or all if there are fewer. The matrix is shared."""
        counts = None if self.counts is None else self.counts[:count]
        return replace(self, words=self.words[:count], matrix=self.matrix[:count], counts=counts)

    def vector(self, word: str) -> Vector | None:
        """Return the vector of a word, float32 [D], or the result of `unseen`, or None."""
        row = self.index.get(word)
        if row is not None:
            found: Vector = self.matrix[row]
            return found
        return self.unseen(word) if self.unseen is not None else None


@runtime_checkable
class Worded(Protocol):
    """An encoder of text with a vector for each word."""

    def word_vectors(self) -> WordVectors:
        """Return the words and their vectors."""


@runtime_checkable
class Subworded(Protocol):
    """An encoder of text with rows for words and for their character n-grams."""

    def subword_rows(self) -> SubwordRows:
        """Return the table and what its rows are of."""
