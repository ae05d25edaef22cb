"""The benchmark of transfer to detection: its rows, and what they hold."""

from __future__ import annotations

from typing import Any

from benchmarks.detection import METHODS, bodies, rows, shown
from benchmarks.tables import detection_table
from selftaught import methods


def line(side: str, seed: int, ap: float) -> dict[str, Any]:
    return {"labels": "all", "side": side, "seed": seed, "setting": {"lr": 0.1}, "steps": 5, "seconds": 2.0,
            "AP": ap, "AP50": 2 * ap, "AP75": ap / 2}  # fmt: skip


RUNS = {
    "random": [line("frozen", 0, 10.0), line("tuned", 0, 20.0), line("tuned", 1, 24.0)],
    "moco-cells": [line("frozen", 0, 15.0), line("tuned", 0, 21.0)],
}


def test_bodies_are_random_supervised_and_at_least_four_without_labels() -> None:
    assert list(bodies())[:2] == ["random", "supervised-cifar10"]
    assert len(METHODS) >= 4 and set(METHODS) <= set(methods.names("image"))
    assert {data for _, data, _ in bodies().values()} == {"", "cifar10", "cells", "photos1000"}


def test_a_row_has_means_and_spreads_of_each_side() -> None:
    found = rows(RUNS)
    assert [(row["body"], row["side"]) for row in found] == [
        ("random", "frozen"), ("random", "tuned"), ("moco-cells", "frozen"), ("moco-cells", "tuned"),
    ]  # fmt: skip
    assert found[1]["AP"] == {"mean": 22.0, "spread": 2.83} and found[1]["seeds"] == 2
    assert found[0]["pretraining"] == "no training"
    assert found[2]["pretraining"].startswith("selftaught pretrain moco cells --encoder conv --encoder.depth 4")
    assert len([*shown(found)]) == 5


def test_the_table_marks_the_best_body_of_each_column() -> None:
    lines = detection_table(rows(RUNS)).splitlines()
    assert lines[2] == "| `random` | 10.0 | 20.0 | 5.0 | **22.0** ±2.8 | **44.0** ±5.7 | **11.0** ±1.4 | 2 |"
    assert lines[3].startswith("| `moco-cells` | **15.0** | **30.0** | **7.5** | 21.0 |")
