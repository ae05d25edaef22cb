"""The probe table of summary.json, in the order in which the page reads it."""

from __future__ import annotations

from typing import Any

import numpy as np

from selftaught.method import Source
from selftaught.report.about import section
from selftaught.report.curves import number

FEATURES = ("trained", "untrained", "raw")


def table(probe: Any, source_train: Source | None = None) -> dict[str, Any] | None:
    """``{"rows": [row], "budgets": [row with "x"], "protocol": [[name, value]]}``, or None when nothing was probed.

    A row is ``{"name", "trained", "untrained", "raw", "spread", "draws"}``, accuracies in percent, None where not measured.
    A budget's "x" is how many labels it used, None where that is unknown.
    """
    if not isinstance(probe, dict):
        return None
    rows = [row for key, name in (("linear", "Linear probe"), ("knn", "Nearest neighbours")) if (row := line(name, probe.get(key)))]
    budgets = []
    for key, value in section(probe, "labels").items():
        row = line(budget_name(str(key)), value)
        if row:
            budgets.append({**row, "x": budget_size(str(key), value, source_train)})
    if all(row["x"] is not None for row in budgets):
        budgets.sort(key=lambda row: float(row["x"]))
    if not rows and not budgets:
        return None
    words = [[str(k).replace("_", " "), sentence(v)] for k, v in section(probe, "protocol").items()]
    return {"rows": rows, "budgets": budgets, "protocol": words}


def line(name: str, values: Any) -> dict[str, Any] | None:
    """One row, or None when it holds no accuracy."""
    if not isinstance(values, dict):
        return None
    numbers = {key: number(values.get(key)) for key in FEATURES}
    if all(value is None for value in numbers.values()):
        return None
    spread = section(values, "spread")
    return {"name": name, **numbers, "spread": {key: number(spread.get(key)) for key in FEATURES}, "draws": values.get("draws")}


def budget_name(key: str) -> str:
    """"100" -> "100 labels a class", "1%" -> "1% of the labels", "all" -> "All labels"."""
    if key == "all":
        return "All labels"
    return f"{key} of the labels" if key.endswith("%") else f"{key} labels a class"


def budget_size(key: str, value: Any, source_train: Source | None) -> int | None:
    """How many labels a budget uses: as the probe recorded it, else counted from the source."""
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
    """A protocol's value in words."""
    if isinstance(value, dict):
        return ", ".join(f"{k.replace('_', ' ')} {sentence(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(sentence(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
