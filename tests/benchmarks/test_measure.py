"""What the benchmarks share."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import measure


def test_a_run_that_a_signal_cut_short_is_not_recorded() -> None:
    run: Any = SimpleNamespace(interrupted=None)
    assert measure.whole(run) is run
    run.interrupted = int(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        measure.whole(run)
    assert end.value.code == 143


def test_only_what_is_missing_is_measured_and_each_is_saved() -> None:
    runs: list[dict[str, Any]] = [{"case": "a", "seed": 0, "found": 1}]
    saved: list[int] = []
    measure.fill(
        runs, [("a", 0), ("a", 1), ("b", 0)], ("case", "seed"),
        lambda case, seed: {"case": case, "seed": seed, "found": 2}, lambda: saved.append(len(runs)),
    )  # fmt: skip
    assert [(run["case"], run["seed"], run["found"]) for run in runs] == [("a", 0, 1), ("a", 1, 2), ("b", 0, 2)]
    assert saved == [2, 3]


def test_what_was_saved_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    assert measure.saved("some") == {}
    measure.save("some", [{"a": 1}], runs=[2])
    assert measure.saved("some")["rows"] == [{"a": 1}] and measure.saved("some")["runs"] == [2]
