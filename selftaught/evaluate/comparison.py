"""Compare several runs, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selftaught.evaluate.task import every


def compare(summaries: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per run: {"run", and the columns of every task}, sorted by linear probe; None = not measured.

    >>> rows = compare({"runs/a": {}, "runs/b": {"probe": {"linear": {"trained": 91.3}}}})
    >>> [(row["run"], row["linear"]) for row in rows]
    [('runs/b', 91.3), ('runs/a', None)]

    "majority" always names the most frequent class. "gain" is the difference of the linear probe from the same encoder
    untrained, and "+-" is half of its 95% confidence interval, paired by test sample.

    Args:
        summaries: {run: the content of its summary.json}.
    """
    rows = [
        {"run": name} | {key: value for task in every() for key, value in task.columns(summary).items()}
        for name, summary in summaries.items()
    ]
    return sorted(rows, key=lambda row: -1.0 if row["linear"] is None else row["linear"], reverse=True)


def measured(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove the columns that no row has a value for. Without any values, the first column stays."""
    own = dict.fromkeys(key for task in every() for key in task.columns({}))
    shown = {key for key in own if any(row[key] is not None for row in rows)} or {"linear"}
    return [{key: value for key, value in row.items() if key not in own or key in shown} for row in rows]
