"""What a page shows of word vectors: a map of the frequent words, countries beside their capitals, and what people's answers said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.evaluate.words import ROWS, clusters
from selftaught.evaluate.words.known import Known
from selftaught.parts.word_vectors import WordVectors
from selftaught.report.curves import number
from selftaught.report.map import has_tsne, pca, tsne
from selftaught.report.scatter import NEAREST, fit_square, pack

GROUPS = 12
"""Groups of words that the map colours, of at least `MEMBERS` words on average."""
MEMBERS = 20
AMONG = 50_000
"""Words of the vocabulary that can be neighbours, the most frequent."""
BLOCK = 256
"""Words whose cosines with all of them are in memory at a time."""
PAIRS = 24
"""Countries of the picture, the most frequent."""
CAPITALS = (
    ("France", "Paris"), ("Italy", "Rome"), ("Spain", "Madrid"), ("Germany", "Berlin"), ("England", "London"), ("Russia", "Moscow"),
    ("China", "Beijing"), ("Japan", "Tokyo"), ("Greece", "Athens"), ("Egypt", "Cairo"), ("Poland", "Warsaw"), ("Austria", "Vienna"),
    ("Hungary", "Budapest"), ("Portugal", "Lisbon"), ("Ireland", "Dublin"), ("Norway", "Oslo"), ("Sweden", "Stockholm"),
    ("Denmark", "Copenhagen"), ("Finland", "Helsinki"), ("Belgium", "Brussels"), ("Turkey", "Ankara"), ("Iran", "Tehran"),
    ("Iraq", "Baghdad"), ("Afghanistan", "Kabul"), ("Cuba", "Havana"), ("Canada", "Ottawa"), ("Kenya", "Nairobi"),
    ("Thailand", "Bangkok"), ("Vietnam", "Hanoi"), ("Pakistan", "Islamabad"), ("Syria", "Damascus"), ("Lebanon", "Beirut"),
    ("Libya", "Tripoli"), ("Ukraine", "Kiev"), ("Romania", "Bucharest"), ("Bulgaria", "Sofia"), ("Serbia", "Belgrade"),
    ("Croatia", "Zagreb"), ("Chile", "Santiago"), ("Peru", "Lima"), ("Venezuela", "Caracas"), ("Indonesia", "Jakarta"),
    ("Nepal", "Kathmandu"), ("Scotland", "Edinburgh"), ("Tunisia", "Tunis"), ("Ghana", "Accra"), ("Uganda", "Kampala"),
    ("Georgia", "Tbilisi"), ("Armenia", "Yerevan"),
)  # fmt: skip
"""Countries and the cities that rule them, where both are one word."""


def word_map(vectors: WordVectors, points: int = 2000) -> dict[str, Any] | None:
    """The most frequent words in two dimensions, or None for fewer than three words.

    Packed: "words", those of the map and then the neighbours that are not on it; "near" uint16 [N, K] (of "words"; the nearest in
    the whole vocabulary), "cosine" uint8 [N, K] (0 to 255 = 0 to 1), "labels" int16 [N] (groups by k-means), "counts" uint32 [N] or
    None, each layout uint16 [N, 2]. "first": the word that the page opens with.
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
        "n": n, "of": len(vectors), "held_out": False, "dim": vectors.dim, "k": near.shape[1], "classes": classes,
        "words": [vectors.words[int(row)] for row in (*range(n), *beyond)], "counts": counts,
        "labels": pack(labels, "<i2"), "index": pack(np.arange(n), "<u4"), "near": pack(np.where(near < n, near, place), "<u2"),
        "cosine": pack(np.round(np.clip(cosine, 0, 1) * 255), "u1"),
        "layouts": {name: pack(fit_square(xy), "<u2") for name, xy in layouts.items()},
        "first": first_shown(vectors, n), "accuracy": None, "sheet": None, "tsne": "t-SNE" in layouts,
    }  # fmt: skip


def nearest_of_all(unit: NDArray[np.float32], n: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each of the first n rows of `unit` [V, D] the k nearest other rows, nearest first: indices [n, k] and cosines [n, k]."""
    k = min(k, len(unit) - 1)
    index, value = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        score = unit[rows] @ unit.T
        score[np.arange(len(rows)), rows] = -np.inf
        some = np.argpartition(-score, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(score, some, 1)
        order = np.lexsort((some, -found), axis=1)
        index[rows], value[rows] = np.take_along_axis(some, order, 1), np.take_along_axis(found, order, 1)
    return index, value


def groups(vectors: WordVectors, n: int) -> tuple[NDArray[np.int64], list[str]]:
    """The group of each of the first n words, and what to call each group: its three most central words."""
    found = clusters(vectors, max(1, min(GROUPS, n // MEMBERS)), most=n)
    labels = np.empty(n, np.int64)
    for group, words in enumerate(found):
        labels[[vectors.index[word] for word in words]] = group
    return labels, [", ".join(words[:3]) for words in found]


def first_shown(vectors: WordVectors, n: int) -> int:
    """The most frequent country or capital of the first n words, else one of the middle: the first words of any text say little."""
    known = Known(vectors, most=n)
    rows = [int(known.first[number]) for pair in CAPITALS for word in pair if (number := known.number(word)) >= 0]
    return min(rows, default=min(300, n // 2))


def capitals(vectors: WordVectors) -> dict[str, Any] | None:
    """Countries and capitals on the first two principal components of their own vectors, as in Mikolov et al. 2013, figure 2.

    ``{"pairs": [[country, capital]], "xy": uint16 [N, 2, 2] packed, "agree": mean cosine of the steps from country to capital with their
    mean}``; None when fewer than three pairs are among the words.
    """
    known = Known(vectors, most=max(len(vectors), 1))
    rows = [[known.number(word) for word in pair] for pair in CAPITALS]
    there = sorted(([int(known.first[number]) for number in pair] for pair in rows if min(pair) >= 0), key=max)[:PAIRS]
    if len(there) < 3:
        return None
    x = vectors.unit[np.asarray(there).reshape(-1)].astype(np.float64)  # [2 N, D]
    steps = x[1::2] - x[::2]
    steps /= np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-12)
    mean = steps.mean(0)
    agree = float((steps @ (mean / max(float(np.linalg.norm(mean)), 1e-12))).mean())
    xy = pca(x)
    if xy[1::2, 0].mean() < xy[::2, 0].mean():
        xy[:, 0] *= -1  # countries on the left, as in the paper; a component's sign is arbitrary
    return {"pairs": [[vectors.words[row] for row in pair] for pair in there], "xy": pack(fit_square(xy), "<u2"), "agree": agree}


def judged(words: Any) -> dict[str, Any] | None:
    """``summary["words"]`` as the page reads it: {"rows", "sections": [{"name", "trained", "untrained", "used", "of"}], "protocol"}."""
    if not isinstance(words, Mapping):
        return None
    rows = [_row(name, words[key]) for key, name in ROWS.items() if isinstance(words.get(key), Mapping)]
    sections = [_row(str(name), row) for name, row in words.get("sections", {}).items() if isinstance(row, Mapping)]
    protocol = [[str(key), str(value)] for key, value in words.get("protocol", {}).items()]
    return {"rows": rows, "sections": sections, "protocol": protocol} if rows else None


def _row(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name} | {key: number(row.get(key)) for key in ("trained", "untrained", "used", "of")}
