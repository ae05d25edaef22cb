"""Look up words in a vocabulary, as written or ignoring case."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.parts.tokens import finished, spellings
from selftaught.parts.word_vectors import WordVectors

MOST = 300_000
"""Number of the most frequent words that tests use. This is the usual number (gensim's ``restrict_vocab``)."""


@final
class Known:
    """The first `most` words, by exact spelling or ignoring case.

    Args:
        vectors: Words, the most frequent first.
        fold: Ignore case: a test's "Paris" finds "paris", and of "Paris" and "PARIS" the more frequent.
        most: Number of words; the others count as unknown.

    Raises UserError if `most` is below 1.
    """

    def __init__(self, vectors: WordVectors, fold: bool = True, most: int = MOST) -> None:
        if most < 1:
            raise UserError(f"the vocabulary of a test must have at least 1 word, not {most}")
        self.fold = fold
        self.words: Sequence[str] = vectors.words[:most]
        self.numbers: dict[str, int] = {}
        same = [self.numbers.setdefault(self.key(word), len(self.numbers)) for word in self.words]
        self.same = np.asarray(same, np.int64)
        """int64 [V]: the number of each row's spelling; rows that differ only in case share it."""
        self.first = np.unique(self.same, return_index=True)[1]
        """int64: the first row of each number."""

    def key(self, word: str) -> str:
        """Return the form of a word that is compared."""
        return finished(finished(word, True, "nfc").casefold(), False, "nfc") if self.fold else word

    def number(self, word: str) -> int:
        """Return the number of a word's spelling, or -1 if it is unknown."""
        return self.numbers.get(self.key(word), -1)

    def rows(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return all rows with one of the `numbers` [N]: (position in `numbers`, int64 [M]; row, int64 [M])."""
        order = np.argsort(self.same, kind="stable")
        begin, end = (np.searchsorted(self.same[order], numbers, side) for side in ("left", "right"))
        which = np.repeat(np.arange(len(numbers)), end - begin)
        inside = np.arange(len(which)) - np.repeat(np.cumsum(end - begin) - (end - begin), end - begin)
        return which, order[begin[which] + inside]


@final
class Unknown(UserError):
    """A word has no vector."""

    @classmethod
    def all(cls, errors: Sequence[Unknown]) -> Unknown:
        """Return one error for several words."""
        return cls("; ".join(map(str, errors)))


def find_all(vectors: WordVectors, words: Sequence[str]) -> list[tuple[int | None, NDArray[np.float32]]]:
    """Return `find` for each word. Raises `Unknown`, which names every word without a vector."""
    found, unknown = [], []
    for word in words:
        try:
            found.append(find(vectors, word))
        except Unknown as error:
            unknown.append(error)
    if unknown:
        raise Unknown.all(unknown)
    return found


def find(vectors: WordVectors, word: str) -> tuple[int | None, NDArray[np.float32]]:
    """Return a word's row (None if its vector is built from n-grams) and its vector [D].

    The word is looked up as written, then in lower case, then built from its n-grams.

    Raises `Unknown`, with similar spellings, if it has no vector.
    """
    for spelling in spellings(word):
        row = vectors.index.get(spelling)
        if row is not None:
            return row, vectors.matrix[row]
    for spelling in spellings(word):
        vector = vectors.vector(spelling)
        if vector is not None:
            return None, np.asarray(vector, np.float32)
    raise unknown(vectors, word)


def unknown(vectors: WordVectors, word: str) -> Unknown:
    """Return the error for a word without a vector, with similarly spelt words."""
    shown = near_spellings(vectors.words, word)
    hint = (
        f"; similar words are {', '.join(repr(w) for w in shown)}"
        if shown
        else ": it did not occur in training, or too rarely"
    )
    return Unknown(f"'{word}' is not among the {len(vectors):,} words{hint}")


def near_spellings(words: Sequence[str], word: str, count: int = 3) -> list[str]:
    """Return at most `count` words spelt like `word`, the most similar first."""
    wanted = word.lower()
    pairs = {wanted[i : i + 2] for i in range(len(wanted) - 1)} or {wanted}
    # leaves 50x fewer words to compare
    alike = [w for w in words if abs(len(w) - len(wanted)) <= 2 and 2 * sum(p in w for p in pairs) >= len(pairs)]
    return difflib.get_close_matches(wanted, alike, n=count, cutoff=0.6)
