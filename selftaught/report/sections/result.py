"""The result of the probe in summary.json with its baselines, and its accuracy with few labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from selftaught.method import SeesDepth, Source
from selftaught.report.page import Page
from selftaught.report.values import mapping, number
from selftaught.views import raw_is

ORDER = 20
TITLE = "Is it better than no training?"
NAV = "Result"
MISSING = (
    "There is no result yet, because there were no labels or no probe was run. If there are labels, {probe} adds the "
    "table, with the same encoder untrained and the raw input for comparison, and {report} updates this page."
)

FEATURES = ("trained", "untrained", "raw")


def suits(page: Page) -> bool:
    """Shown if there is a probe or can be one. Word vectors and depth are first evaluated otherwise."""
    return "probe" in page.summary or not (page.worded or isinstance(page.method, SeesDepth))


def data(page: Page) -> dict[str, Any] | None:
    """Return the probe, see `table`, and the meaning of "raw"; None if there is no probe."""
    found = table(page.summary.get("probe"), page.source_train)
    if found is None:
        return None
    raw = "the samples as numbers" if page.encoder is None else raw_is(page.encoder.spec["input"])
    return {**found, "raw": raw}


def table(probe: Any, source_train: Source | None = None) -> dict[str, Any] | None:
    """Return ``{"rows": [row], "budgets": [row with "x"], "majority", "protocol": [[name, value]]}``.

    None without a probe. "majority" is the accuracy of always naming the most frequent class, None if unknown.

    A row is ``{"name", "trained", "untrained", "raw", "spread", "draws"}``, with accuracies in percent, None if not
    measured. A budget's "x" is its number of labels, None if unknown.
    """
    if not isinstance(probe, dict):
        return None
    rows = [
        row
        for key, name in (("linear", "Linear probe"), ("knn", "Nearest neighbours"))
        if (row := line(name, probe.get(key)))
    ]
    budgets = []
    for key, value in mapping(probe, "labels").items():
        row = line(budget_name(str(key)), value)
        if row:
            budgets.append({**row, "x": budget_size(str(key), value, source_train)})
    if all(row["x"] is not None for row in budgets):
        budgets.sort(key=lambda row: float(row["x"]))
    if not rows and not budgets:
        return None
    words = [[str(k).replace("_", " "), sentence(v)] for k, v in mapping(probe, "protocol").items()]
    return {"rows": rows, "budgets": budgets, "majority": number(probe.get("majority")), "protocol": words}


def line(name: str, values: Any) -> dict[str, Any] | None:
    """Return one row, or None if it has no accuracy."""
    if not isinstance(values, dict):
        return None
    numbers = {key: number(values.get(key)) for key in FEATURES}
    if all(value is None for value in numbers.values()):
        return None
    spread = mapping(values, "spread")
    return {
        "name": name,
        **numbers,
        "spread": {key: number(spread.get(key)) for key in FEATURES},
        "draws": values.get("draws"),
    }


def budget_name(key: str) -> str:
    """Return the title of a budget: "100" -> "100 labels a class", "1%" -> "1% of the labels"."""
    if key == "all":
        return "All labels"
    return f"{key} of the labels" if key.endswith("%") else f"{key} labels a class"


def budget_size(key: str, value: Any, source_train: Source | None) -> int | None:
    """Return the number of labels of a budget, as recorded by the probe, else counted from the source."""
    for name in ("size", "count", "n", "labels"):
        if isinstance(value, dict) and number(value.get(name)):
            return int(value[name])
    if source_train is None:
        return None
    labels = source_train.labels[source_train.labels >= 0]
    if not len(labels):
        return None
    if key == "all":
        return len(labels)
    try:
        if key.endswith("%"):
            return max(round(len(labels) * float(key[:-1]) / 100), 1)
        return int(np.minimum(np.bincount(labels), int(key)).sum())
    except ValueError:
        return None


def sentence(value: Any) -> str:
    """Return a protocol value in words."""
    if isinstance(value, dict):
        return ", ".join(f"{k.replace('_', ' ')} {sentence(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(sentence(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
