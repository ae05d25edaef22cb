"""Word similarity: cosines of vectors compared with human ratings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.evaluate.words.known import MOST, Known
from selftaught.parts.tokens import finished
from selftaught.parts.word_vectors import WordVectors


def similarity(
    vectors: WordVectors, pairs: Sequence[tuple[str, str, float]], *, fold: bool = True, most: int = MOST
) -> dict[str, Any]:
    """Return Spearman's rank correlation between cosines and human ratings (Finkelstein et al., WWW 2001).

    >>> matrix = np.array([[1, 0], [3, 1], [1, 1]], np.float32)
    >>> vectors = WordVectors(("cup", "mug", "car"), matrix)
    >>> found = similarity(vectors, [("cup", "mug", 9.0), ("cup", "car", 1.0)])
    >>> round(found["spearman"], 2), found["coverage"]
    (1.0, 100.0)

    Pairs with an unknown word are skipped and counted. For vectors built from n-grams, the result over all pairs is
    also given.

    Args:
        vectors: The vectors to evaluate.
        pairs: (word, word, human rating of their similarity).
        fold: Ignore case.
        most: Use only the first N words of the vocabulary.

    Returns: "spearman": in [-1, 1], None if there is nothing to rank. "rows": pairs that were ranked, "of" all,
        "coverage" in percent. "unseen", only for vectors built from n-grams: the same four values with these vectors
        for unknown words.
    """
    known = Known(vectors, fold, most)
    numbers = np.asarray([[known.number(a), known.number(b)] for a, b, _ in pairs], np.int64).reshape(-1, 2)
    wanted = np.asarray([score for *_, score in pairs], np.float64)
    there = (numbers >= 0).all(1)  # [N]
    left, right = (vectors.unit[known.first[column]].astype(np.float64) for column in numbers[there].T)
    found = np.full(len(pairs), np.nan)
    found[there] = (left * right).sum(1)
    result = _told(found, wanted)
    if vectors.unseen is not None:
        for i in np.flatnonzero(~there):
            a, b, _ = pairs[int(i)]
            found[i] = _cosine(_vector(vectors, known, a), _vector(vectors, known, b))
        result["unseen"] = _told(found, wanted)
    return result


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Return the correlation of ranks; equal values share their average rank.

    None for fewer than two values, or if all are equal.
    """
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    from scipy.stats import rankdata  # half a second to import, and every training imports this module

    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def _told(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> dict[str, Any]:
    there = ~np.isnan(found)
    rows = int(there.sum())
    coverage = 100 * rows / max(len(found), 1)
    return {"spearman": spearman(found[there], wanted[there]), "rows": rows, "of": len(found), "coverage": coverage}


def _vector(vectors: WordVectors, known: Known, word: str) -> NDArray[np.float64] | None:
    number = known.number(word)
    spelt = finished(word, known.fold, "nfc")
    made = vectors.matrix[known.first[number]] if number >= 0 else vectors.vector(spelt)
    return None if made is None else np.asarray(made, np.float64)


def _cosine(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> float:
    if a is None or b is None:
        return float("nan")
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))
