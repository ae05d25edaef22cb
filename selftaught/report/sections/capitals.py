"""Countries and their capitals, placed by their word vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from selftaught.evaluate.words.known import Known
from selftaught.parts.word_vectors import WordVectors
from selftaught.report.capitals import CAPITALS
from selftaught.report.map import pca
from selftaught.report.page import Page
from selftaught.report.scatter import fit_square, pack

ORDER = 50
TITLE = "Countries and their capitals"
NAV = "Capitals"
MISSING = ""

PAIRS = 24
"""Number of countries to show, the most frequent ones."""


def suits(page: Page) -> bool:
    """For encoders with word vectors."""
    return page.worded


def data(page: Page) -> dict[str, Any] | None:
    """See `capitals`."""
    return capitals(page.words) if page.words is not None else None


def capitals(vectors: WordVectors) -> dict[str, Any] | None:
    """Return countries and capitals on the first two principal components of their vectors.

    As in Mikolov et al. 2013, figure 2.

    ``{"pairs": [[country, capital]], "xy": uint16 [N, 2, 2] packed, "agree": mean cosine of the differences between
    capital and country with their mean}``; None if fewer than three pairs are in the vocabulary.
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
        xy[:, 0] *= -1  # countries on the left, as in the paper; the sign of a component is arbitrary
    return {
        "pairs": [[vectors.words[row] for row in pair] for pair in there],
        "xy": pack(fit_square(xy), "<u2"),
        "agree": agree,
    }
