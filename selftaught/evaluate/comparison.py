"""Several runs side by side: one row each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("linear", "knn")


def compare(summaries: Mapping[str, Mapping[str, Any]], labels: str = "100") -> list[dict[str, Any]]:
    """Rows {"run", "linear", "knn", "labels", "gain", "interval"}, the best linear probe first; percent, None where not measured.

    "gain" is the linear probe over the same encoder untrained, "interval" the half width of its 95% confidence interval from the number
    of test samples (binomial, the two taken for independent: where they err on the same samples it is narrower).

    Args:
        summaries: {run: what its summary.json holds}.
        labels: Which budget of labels stands under "labels".
    """
    rows = [_row(name, summary.get("probe") or {}, labels) for name, summary in summaries.items()]
    return sorted(rows, key=lambda row: -1.0 if row["linear"] is None else row["linear"], reverse=True)


def _row(name: str, probe: Mapping[str, Any], labels: str) -> dict[str, Any]:
    row: dict[str, Any] = {"run": name} | {column: probe.get(column, {}).get("trained") for column in COLUMNS}
    row["labels"] = probe.get("labels", {}).get(labels, {}).get("trained")
    trained, untrained = (probe.get("linear", {}).get(side) for side in ("trained", "untrained"))
    tested = probe.get("protocol", {}).get("test")
    row["gain"] = row["interval"] = None
    if trained is not None and untrained is not None:
        row["gain"] = trained - untrained
        row["interval"] = half_width((trained, untrained), tested) if tested else None
    return row


def half_width(accuracies: Sequence[float], samples: int) -> float:
    """Half of the 95% interval of a difference of accuracies in percent, each over so many independent test samples."""
    return 1.96 * 100 * math.sqrt(sum(a / 100 * (1 - a / 100) for a in accuracies) / samples)
