"""How long the samples of a source are, for kinds of sample that have channels and time, [C, T]."""

from __future__ import annotations

import numpy as np

from selftaught.source import TOGETHER, Source


def span(source: Source, kind: str) -> tuple[int, int]:
    """Return the shortest and the longest length of the samples of any source, which are called `kind` in its batches.

    A source of the library knows them ("shortest" and "longest" of its traits); those of other sources are fetched
    once.
    """
    if {"shortest", "longest"} <= source.traits.keys():
        return int(source.traits["shortest"]), int(source.traits["longest"])
    parts = (np.arange(i, min(i + TOGETHER, len(source))) for i in range(0, len(source), TOGETHER))
    found = [one.shape[1] for part in parts for one in source.fetch(part)[kind]]
    return min(found), max(found)
