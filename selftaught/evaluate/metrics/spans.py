"""Tagged spans, counted as the program `conlleval` of the shared tasks counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

Span = tuple[int, int, str]
"""First word, last word and type."""


def spans(tags: Sequence[str]) -> set[Span]:
    """Return the spans of a sentence tagged in IOB2. A tag that continues what is not there begins a span.

    >>> sorted(spans(["B-PER", "I-PER", "O", "I-LOC", "I-PER"]))
    [(0, 1, 'PER'), (3, 3, 'LOC'), (4, 4, 'PER')]
    """
    found, open_, begin = set[Span](), "", 0
    for place, tag in enumerate([*tags, "O"]):
        kind = tag[2:]
        if open_ and (tag[0] != "I" or kind != open_):
            found.add((begin, place - 1, open_))
            open_ = ""
        if kind and not open_:
            open_, begin = kind, place
    return found


def span_f1(said: Sequence[Sequence[str]], truth: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return "F1", "precision" and "recall" of all spans, and "macro F1", the mean over types, in percent.

    A span is right if its type, its first and its last word are.
    """
    right, told, there = Counter[str](), Counter[str](), Counter[str]()
    for given, true in zip(said, truth, strict=True):
        found, wanted = spans(given), spans(true)
        for counter, of in ((right, found & wanted), (told, found), (there, wanted)):
            counter.update(kind for *_, kind in of)
    sums = [sum(counter.values()) for counter in (right, told, there)]
    kinds = [_rates(right[kind], told[kind], there[kind])[0] for kind in sorted({*told, *there})]
    f1, precision, recall = _rates(*sums)
    return {"F1": f1, "precision": precision, "recall": recall, "macro F1": float(np.mean(kinds)) if kinds else 0.0}


def _rates(right: int, told: int, there: int) -> tuple[float, float, float]:
    """Return F1, precision and recall in percent, 0 where nothing can be divided by."""
    precision, recall = (100 * right / count if count else 0.0 for count in (told, there))
    both = precision + recall
    return (2 * precision * recall / both if both else 0.0), precision, recall
