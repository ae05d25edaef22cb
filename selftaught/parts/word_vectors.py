"""Words and their vectors, whatever learned them: what evaluation reads and export writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

Vector = NDArray[np.float32]


@final
@dataclass(frozen=True, eq=False)
class WordVectors:
    """One row for each word.

    Args:
        words: V words, the most frequent first where that is known.
        matrix: float32 [V, D].
        counts: int64 [V], how often each was seen in training.
        unseen: Gives the vector [D] of a word that is not among them, None where it has none (subword models).

    Raises UserError when words, matrix and counts do not have the same length.
    """

    words: tuple[str, ...]
    matrix: NDArray[np.float32]
    counts: NDArray[np.int64] | None = None
    unseen: Callable[[str], Vector | None] | None = None

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or len(self.matrix) != len(self.words):
            raise UserError(
                f"{len(self.words)} words need as many rows, not vectors of shape {list(self.matrix.shape)}"
            )
        if self.counts is not None and len(self.counts) != len(self.words):
            raise UserError(f"{len(self.words)} words need as many counts, not {len(self.counts)}")

    def __len__(self) -> int:
        return len(self.words)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.matrix.shape[1])

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word; of a word that occurs twice the first."""
        return {word: row for row, word in reversed(list(enumerate(self.words)))}

    @cached_property
    def unit(self) -> NDArray[np.float32]:
        """The rows at length 1 (zero rows stay zero): products are cosines. float32 [V, D]."""
        norms = np.linalg.norm(self.matrix, axis=1, keepdims=True)
        found: NDArray[np.float32] = self.matrix / np.maximum(norms, np.float32(1e-12))
        return found

    def vector(self, word: str) -> Vector | None:
        """float32 [D]: the word's row, or what `unseen` makes of it, or None."""
        row = self.index.get(word)
        if row is not None:
            found: Vector = self.matrix[row]
            return found
        return self.unseen(word) if self.unseen is not None else None


@runtime_checkable
class Worded(Protocol):
    """An encoder of text with a vector for each word."""

    def word_vectors(self) -> WordVectors:
        """Its words and their vectors."""
