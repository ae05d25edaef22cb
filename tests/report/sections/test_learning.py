"""From lines of metrics.jsonl to charts and warnings."""

from __future__ import annotations

import numpy as np

from selftaught.report.sections.learning import panels, thin
from selftaught.report.sections.warnings import warnings


def test_thinning_keeps_ends_and_extremes() -> None:
    y = list(np.sin(np.arange(50_000) / 900))
    y[12_345], y[40_001] = 7.0, -9.0
    kept_x, kept_y = thin(list(range(50_000)), y)
    assert len(kept_x) <= 1200
    assert kept_x == sorted(set(kept_x))
    assert (kept_x[0], kept_x[-1]) == (0, 49_999)
    assert kept_y[kept_x.index(12_345)] == 7.0
    assert kept_y[kept_x.index(40_001)] == -9.0
    assert all(y[int(a)] == b for a, b in zip(kept_x, kept_y, strict=True))


def test_panels_draw_what_was_logged_and_nothing_else() -> None:
    metrics = [
        {"step": 1, "loss": 3.0, "seconds_left": 9.0, "loss_teacher": 1.0, "note": "x", "clips_per_second": 5.0},
        {"step": 2, "loss": None, "knn": 55.0},
        {"step": 3, "loss": 1.0},
        {"step": 2, "loss": 2.5},  # replayed after a crash
        {"step": 3, "loss": 1.5, "chance": 0.1},  # chance alone is no chart
    ]
    found = {panel["title"]: panel for panel in panels(metrics)}
    assert list(found) == ["Loss", "Online kNN", "Loss teacher"]
    assert found["Loss"]["series"] == [{"name": "loss", "x": [1.0, 2.0, 3.0], "y": [3.0, 2.5, 1.5]}]
    assert found["Online kNN"]["series"] == [{"name": "knn", "x": [2.0], "y": [55.0]}]
    assert panels([]) == []


def test_pretext_accuracy_comes_with_chance() -> None:
    (panel,) = panels([{"step": 1, "accuracy": 0.4, "chance": 0.25}])
    assert [line["name"] for line in panel["series"]] == ["accuracy", "chance"]


def test_reconstructions_come_with_a_guess() -> None:
    (panel,) = panels([{"step": 1, "error": 0.4, "untouched": 0.9}])
    assert [line["name"] for line in panel["series"]] == ["error", "untouched"]
    (panel,) = panels([{"step": 1, "bits": 5.0, "guess": 7.0}])
    assert (panel["title"], [line["name"] for line in panel["series"]]) == ("Bits", ["bits", "guess"])


def test_each_warning_is_told_once() -> None:
    lines = [{"step": 5, "warning": "a"}, {"step": 6}, {"step": 7, "warning": ["a", "b"]}]
    assert warnings(lines) == [
        {"text": "a", "first": 5, "last": 7, "times": 2},
        {"text": "b", "first": 7, "last": 7, "times": 1},
    ]
