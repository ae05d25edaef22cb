"""Finding words in a vocabulary: as they are written, or with the case folded."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.parts.word_vectors import WordVectors

MOST = 300_000
"""Words that tests look at, the most frequent first: what is customary (gensim's ``restrict_vocab``)."""


@final
class Known:
    """The first `most` words, by spelling or by what all spellings of a word share.

    Args:
        vectors: Words, the most frequent first.
        fold: Ignore case: a test's "Paris" finds "paris", and of "Paris" and "PARIS" the more frequent.
        most: Words that count; the others are as if unknown.

    Raises UserError when `most` is below 1.
    """

    def __init__(self, vectors: WordVectors, fold: bool = True, most: int = MOST) -> None:
        if most < 1:
            raise UserError(f"the vocabulary of a test must have at least 1 word, not {most}")
        self.fold = fold
        self.words: Sequence[str] = vectors.words[:most]
        self.numbers: dict[str, int] = {}
        same = [self.numbers.setdefault(self.key(word), len(self.numbers)) for word in self.words]
        self.same = np.asarray(same, np.int64)
        """int64 [V]: the number of each row's spelling; rows that differ in case alone share it."""
        self.first = np.unique(self.same, return_index=True)[1]
        """int64: the first row of each number."""

    def key(self, word: str) -> str:
        """What is compared of a word."""
        return word.casefold() if self.fold else word

    def number(self, word: str) -> int:
        """The number of a word's spelling, -1 when it is unknown."""
        return self.numbers.get(self.key(word), -1)

    def rows(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All rows with one of the `numbers` [N]: (which of them, int64 [M]; the row, int64 [M])."""
        order = np.argsort(self.same, kind="stable")
        begin, end = (np.searchsorted(self.same[order], numbers, side) for side in ("left", "right"))
        which = np.repeat(np.arange(len(numbers)), end - begin)
        inside = np.arange(len(which)) - np.repeat(np.cumsum(end - begin) - (end - begin), end - begin)
        return which, order[begin[which] + inside]


def find(vectors: WordVectors, word: str) -> tuple[int | None, NDArray[np.float32]]:
    """A word's row (None when its vector comes from its parts) and its vector [D].

    As written, else in lower case, else by its parts.

    Raises UserError, with near spellings, for a word that has none.
    """
    for spelling in (word, word.lower()):
        row = vectors.index.get(spelling)
        if row is not None:
            return row, vectors.matrix[row]
    for spelling in (word, word.lower()):
        vector = vectors.vector(spelling)
        if vector is not None:
            return None, np.asarray(vector, np.float32)
    raise unknown(vectors, word)


def unknown(vectors: WordVectors, word: str) -> UserError:
    """The error for a word without a vector: it names the words that are spelt nearly so."""
    shown = near_spellings(vectors.words, word)
    hint = (
        f"; similar words are {', '.join(repr(w) for w in shown)}"
        if shown
        else ": it did not occur in training, or too rarely"
    )
    return UserError(f"'{word}' is not among the {len(vectors):,} words{hint}")


def near_spellings(words: Sequence[str], word: str, count: int = 3) -> list[str]:
    """At most `count` words that are spelt like `word`, the most alike first."""
    wanted = word.lower()
    pairs = {wanted[i : i + 2] for i in range(len(wanted) - 1)} or {wanted}
    # 50x fewer to compare
    alike = [w for w in words if abs(len(w) - len(wanted)) <= 2 and 2 * sum(p in w for p in pairs) >= len(pairs)]
    return difflib.get_close_matches(wanted, alike, n=count, cutoff=0.6)
