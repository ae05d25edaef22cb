from __future__ import annotations

import pytest

from selftaught.evaluate import compare
from selftaught.evaluate.comparison import half_width


def summary(linear: float, untrained: float = 80.0) -> dict[str, object]:
    sides = {"trained": linear, "untrained": untrained, "raw": 70.0}
    labels = {"100": {"trained": linear - 5}}
    return {"probe": {"linear": sides, "knn": {"trained": linear - 2}, "labels": labels, "protocol": {"test": 10_000}}}


def test_rows_are_sorted_and_what_was_not_measured_is_none() -> None:
    rows = compare({"a": summary(85.0), "b": {}, "c": summary(90.0)})
    assert [row["run"] for row in rows] == ["c", "a", "b"]
    assert rows[0] | {"interval": None} == {"run": "c", "linear": 90.0, "knn": 88.0, "labels": 85.0, "gain": 10.0, "interval": None}
    assert set(rows[2].values()) == {"b", None}
    assert compare({"a": summary(85.0)}, labels="10")[0]["labels"] is None


def test_the_interval_is_the_binomial_one() -> None:
    assert compare({"a": summary(90.0)})[0]["interval"] == pytest.approx(196 * ((0.09 + 0.16) / 10_000) ** 0.5)
    assert half_width((100.0, 100.0), 10) == 0
