"""The benchmark of estimates of mutual information: one point, and the figure."""

from __future__ import annotations

import math
import re

import pytest

from benchmarks import bounds


def test_a_point_has_the_estimates_beside_the_truth_and_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SAMPLES", 1024)
    monkeypatch.setattr(bounds, "SEEDS", 3)
    row = bounds.measured(1, 64)
    assert row["information"] == pytest.approx(0.8304, abs=1e-4) and row["log_n"] == pytest.approx(
        math.log(64), abs=1e-4
    )
    assert row["jeffreys"] == pytest.approx(63 / 64 * 0.81 / 0.19, abs=1e-4)
    for name in bounds.NAMES:
        assert row[name]["mean"] == pytest.approx(0.82, abs=0.15) and row[name]["spread"] > 0


def test_the_figure_has_a_line_for_each_estimate_and_dimension() -> None:
    point = {"mean": 0.5, "spread": 0.1}
    rows = [
        {"dims": d, "n": n, "information": 0.8 * d, "log_n": math.log(n), "jeffreys": 4.0 * d}
        | dict.fromkeys(bounds.NAMES, point)
        for d in (1, 4)
        for n in (2, 8, 32)
    ]
    drawn = bounds.figure(rows)
    for colour in bounds.COLOURS.values():
        assert len(re.findall(f'polyline points="[^"]+" fill="none" stroke="{colour}"', drawn)) == 2
    assert ">1 pair<" in drawn and ">4 pairs<" in drawn and "nan" not in drawn
