"""Differences are paired by draw, with intervals of Student's t."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from benchmarks.few_labels import CASES, interval, rows, shown
from selftaught import methods
from selftaught.config import options


def run(case: str, draw: int, classifier: float, labels: int = 10) -> dict[str, Any]:
    return {
        "case": case,
        "labels": labels,
        "draw": draw,
        "steps": 100 + draw,
        "seconds": 1.0,
        "classifier": classifier,
        "linear": 80.0,
    }


RUNS = [
    *(run("supervised", draw, value) for draw, value in enumerate([60.0, 66.0, 63.0])),
    *(run("mean_teacher", draw, value) for draw, value in enumerate([64.0, 69.0, 65.0])),
    run("mean_teacher", 3, 99.0),  # without its pair
    run("mean_teacher", 0, 50.0, labels=4),
]


def test_differences_are_of_the_same_draw() -> None:
    table = {(row["method"], row["labels"]): row for row in rows(RUNS)}
    teacher = table["mean_teacher", 10]
    assert (teacher["draws"], teacher["steps"]) == (4, 102)
    assert teacher["classifier"]["mean"] == pytest.approx(np.mean([64, 69, 65, 99]), abs=0.01)
    gain = teacher["gain"]["supervised"]["classifier"]
    half = 4.303 * 1 / math.sqrt(3)  # differences 4, 3, 2 and the 97.5% point of t with 2 degrees of freedom
    assert gain == pytest.approx({"mean": 3.0, "low": 3 - half, "high": 3 + half}, abs=0.01)
    assert "supervised-whole" not in teacher["gain"]
    assert table["supervised", 10]["gain"] == {} == table["mean_teacher", 4]["gain"]
    assert teacher["command"] == "selftaught pretrain mean_teacher fashion-mnist --labels 10/class --minutes 0.5"
    lines = list(shown(rows(RUNS)))
    assert len(lines) == 4 and "+3.0 [+0.5, +5.5]" in lines[3]


def test_one_draw_has_no_interval() -> None:
    assert interval([3.0]) == {"mean": 3.0, "low": None, "high": None}


def test_the_rows_are_methods_with_arguments_that_they_have() -> None:
    for method, arguments in CASES.values():
        assert method in methods.names() and set(arguments) <= {option.name for option in options.method(method)}
