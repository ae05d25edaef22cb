from __future__ import annotations

import numpy as np
import pytest

from selftaught.evaluate import compare
from selftaught.evaluate.comparison import measured
from selftaught.evaluate.probe import _gain


def summary(linear: float) -> dict[str, object]:
    gain = {"untrained": {"linear": linear - 80, "interval": 0.5}}
    return {
        "probe": {
            "linear": {"trained": linear},
            "knn": {"trained": linear - 2},
            "labels": {"100": {"trained": 70.0}},
            "majority": 10.5,
            "gain": gain,
        }
    }


def test_rows_are_sorted_and_what_was_not_measured_is_none() -> None:
    rows = compare({"a": summary(85.0), "b": {}, "c": summary(90.0)})
    assert [row["run"] for row in rows] == ["c", "a", "b"]
    found = {"run": "c", "linear": 90.0, "knn": 88.0, "100 labels": 70.0, "majority": 10.5, "gain": 10.0, "+-": 0.5}
    assert rows[0].items() >= found.items()
    assert measured(rows)[0] == found  # what belongs to other tasks is not shown
    assert set(rows[2].values()) == {"b", None}


def test_the_interval_of_a_gain_is_paired() -> None:
    ours, theirs = np.arange(1000) < 900, np.arange(1000) < 850  # right on the same samples but 50
    found = _gain(ours, theirs)
    assert found["linear"] == pytest.approx(5.0)
    assert found["interval"] == pytest.approx(196 * np.sqrt(0.05 - 0.05**2) / np.sqrt(1000))
    assert _gain(ours, ours) == {"linear": 0.0, "interval": 0.0}
