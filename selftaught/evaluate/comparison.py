"""Several runs side by side: one row each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selftaught.evaluate.task import every


def compare(summaries: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows {"run", and the columns of every task}, the best linear probe first; None where not measured.

    "gain" is the linear probe over the same encoder untrained, "+-" half of its 95% confidence interval, paired by test
    sample.

    Args:
        summaries: {run: what its summary.json holds}.
    """
    rows = [
        {"run": name} | {key: value for task in every() for key, value in task.columns(summary).items()}
        for name, summary in summaries.items()
    ]
    return sorted(rows, key=lambda row: -1.0 if row["linear"] is None else row["linear"], reverse=True)


def measured(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without the columns that none of them was judged by; where none was judged at all, with the first."""
    own = dict.fromkeys(key for task in every() for key in task.columns({}))
    shown = {key for key in own if any(row[key] is not None for row in rows)} or {"linear"}
    return [{key: value for key, value in row.items() if key not in own or key in shown} for row in rows]
