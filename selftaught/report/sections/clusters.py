"""The groups that a method has made of the training samples, with some members of each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.method import Groups
from selftaught.report.page import Page
from selftaught.report.shown import COUNT, Row, packed, shown
from selftaught.source import Source, evenly

ORDER = 75
TITLE = "The clusters it found"
NAV = "Clusters"
MISSING = ""

ROWS = 12
"""Number of clusters shown, from the largest to the smallest."""


def suits(page: Page) -> bool:
    """For a method that obeys `Groups`, if its training data are there."""
    return page.method is not None and isinstance(page.method, Groups) and page.source_train is not None


def data(page: Page) -> dict[str, Any] | None:
    """``{"rows": [row], "count", "samples", "largest", "smallest"}``, see `packed`; None if there are no clusters."""
    if page.method is None or not isinstance(page.method, Groups) or page.source_train is None:
        return None
    source = page.method.views.bind(page.source_train)
    group = page.method.members().cpu().numpy()
    if len(group) != len(source) or not (group >= 0).any():
        return None
    sizes = np.bincount(group[group >= 0])
    order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
    seen = page.method.encoder.spec["input"]
    rows = [row for k in order[evenly(len(order), ROWS)] for row in members(source, np.flatnonzero(group == k), seen)]
    found = {"count": len(order), "samples": int(sizes.sum())}
    return {"rows": rows, **found, "largest": int(sizes.max()), "smallest": int(sizes[order[-1]])} if rows else None


def members(source: Source, index: NDArray[np.int64], seen: dict[str, Any]) -> list[Row]:
    """Return a row of some samples of one group, with its size and, where there are labels, its most frequent class."""
    some = index[evenly(len(index), COUNT)]
    labels = source.labels[index]
    name = f"{len(index):,} {source.samples}"
    known = labels[labels >= 0]
    if len(known):
        counts = np.bincount(known)
        classes = source.classes
        named = str(classes[counts.argmax()]) if classes else f"class {counts.argmax()}"
        name += f", {counts.max() / len(known):.0%} {named}"
    return [packed(row, name) for row in shown(source.fetch(some), seen, len(some))]
