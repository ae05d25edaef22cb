"""A map of the most frequent words, with their nearest words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.evaluate.words import clusters
from selftaught.evaluate.words.known import Known
from selftaught.parts.word_vectors import WordVectors
from selftaught.report.capitals import CAPITALS
from selftaught.report.map import has_tsne, largest, pca, tsne
from selftaught.report.page import Page
from selftaught.report.scatter import NEAREST, fit_square, pack

ORDER = 40
TITLE = "A map of the words"
NAV = "Map"
MISSING = "There is no map, because there are too few words."

GROUPS = 12
"""Number of coloured groups of words, with at least `MEMBERS` words on average."""
MEMBERS = 20
AMONG = 50_000
"""Number of vocabulary words that can be neighbours, the most frequent ones."""
BLOCK = 256
"""Number of words whose cosines with all others are in memory at a time."""


def suits(page: Page) -> bool:
    """For encoders with word vectors."""
    return page.worded


def data(page: Page) -> dict[str, Any] | None:
    """See `word_map`. A word takes more space than a sample, so fewer are drawn."""
    return word_map(page.words, 2 * page.points // 3) if page.words is not None else None


def word_map(vectors: WordVectors, points: int = 2000) -> dict[str, Any] | None:
    """Return the most frequent words in two dimensions, or None for fewer than three words.

    Packed: "words", those of the map, then the neighbours that are not on it; "near" uint16 [N, K] (positions in
    "words"; the nearest in the whole vocabulary), "cosine" uint8 [N, K] (0 to 255 = 0 to 1), "labels" int16 [N] (groups
    by k-means), "counts" uint32 [N] or None, each layout uint16 [N, 2]. "first": the word that is selected when the
    page opens.
    """
    n = min(points, len(vectors))
    if n < 3:
        return None
    near, cosine = nearest_of_all(vectors.unit[:AMONG], n, NEAREST)
    beyond = np.unique(near[near >= n])
    place = np.searchsorted(beyond, near) + n
    unit = vectors.unit[:n]
    layouts = {"PCA": pca(unit)}
    if has_tsne() and n >= 10:
        layouts["t-SNE"] = tsne(unit)
    labels, classes = groups(vectors, n)
    counts = None if vectors.counts is None else pack(np.minimum(vectors.counts[:n], 0xFFFFFFFF), "<u4")
    return {
        "n": n,
        "of": len(vectors),
        "held_out": False,
        "dim": vectors.dim,
        "k": near.shape[1],
        "classes": classes,
        "words": [vectors.words[int(row)] for row in (*range(n), *beyond)],
        "counts": counts,
        "labels": pack(labels, "<i2"),
        "index": pack(np.arange(n), "<u4"),
        "near": pack(np.where(near < n, near, place), "<u2"),
        "cosine": pack(np.round(np.clip(cosine, 0, 1) * 255), "u1"),
        "layouts": {name: pack(fit_square(xy), "<u2") for name, xy in layouts.items()},
        "first": first_shown(vectors, n),
        "accuracy": None,
        "sheet": None,
        "tsne": "t-SNE" in layouts,
    }


def nearest_of_all(unit: NDArray[np.float32], n: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each of the first n rows of `unit` [V, D] the k nearest other rows, nearest first.

    Indices [n, k] and cosines [n, k].
    """
    k = min(k, len(unit) - 1)
    index, value = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        score = unit[rows] @ unit.T
        score[np.arange(len(rows)), rows] = -np.inf
        index[rows] = largest(score, k)
        value[rows] = np.take_along_axis(score, index[rows], 1)
    return index, value


def groups(vectors: WordVectors, n: int) -> tuple[NDArray[np.int64], list[str]]:
    """Return the group of each of the first n words, and the names of the groups: their three most central words."""
    found = clusters(vectors, max(1, min(GROUPS, n // MEMBERS)), most=n)
    labels = np.empty(n, np.int64)
    for group, words in enumerate(found):
        labels[[vectors.index[word] for word in words]] = group
    return labels, [", ".join(words[:3]) for words in found]


def first_shown(vectors: WordVectors, n: int) -> int:
    """Return the most frequent country or capital of the first n words, else a word from the middle.

    The first words of a text have little meaning.
    """
    known = Known(vectors, most=n)
    rows = [int(known.first[number]) for pair in CAPITALS for word in pair if (number := known.number(word)) >= 0]
    return min(rows, default=min(300, n // 2))
