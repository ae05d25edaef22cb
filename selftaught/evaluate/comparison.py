"""Several runs side by side: one row each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def compare(summaries: Mapping[str, Mapping[str, Any]], labels: str = "100") -> list[dict[str, Any]]:
    """Rows {"run", "linear", "knn", "labels", "gain", "interval"}, the best linear probe first; percent, None where not measured.

    "gain" is the linear probe over the same encoder untrained, "interval" half of its 95% confidence interval, paired by test sample.

    Args:
        summaries: {run: what its summary.json holds}.
        labels: Which budget of labels stands under "labels".
    """
    rows = [_row(name, summary.get("probe") or {}, labels) for name, summary in summaries.items()]
    return sorted(rows, key=lambda row: -1.0 if row["linear"] is None else row["linear"], reverse=True)


def _row(name: str, probe: Mapping[str, Any], labels: str) -> dict[str, Any]:
    gain = probe.get("gain", {}).get("untrained", {})
    return {
        "run": name,
        "linear": probe.get("linear", {}).get("trained"),
        "knn": probe.get("knn", {}).get("trained"),
        "labels": probe.get("labels", {}).get(labels, {}).get("trained"),
        "gain": gain.get("linear"),
        "interval": gain.get("interval"),
    }
