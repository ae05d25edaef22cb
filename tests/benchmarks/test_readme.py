"""The README's table of methods is what was measured."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from benchmarks import measure, readme

PART = {"trained": 90.123, "untrained": 87.6, "raw": 84.649}
ROW = {
    "method": "simclr",
    "data": "fashion-mnist",
    "encoder": "conv",
    "budget": "2 min",
    "seeds": 3,
    "probe": {"linear": PART, "knn": PART, "labels": {"100": {**PART, "draws": 3}}},
}


def test_the_table_has_the_baselines_first_and_a_cell_for_each_data_set() -> None:
    other = {**ROW, "data": "cifar10", "method": "moco", "seeds": 1}
    lines = readme.table([ROW, other]).splitlines()
    assert lines[0] == "| | fashion-mnist linear | kNN | cifar10 linear | kNN | seeds |"
    assert lines[2:] == [
        "| raw | 84.6 | 84.6 | 84.6 | 84.6 | |",
        "| untrained | 87.6 | 87.6 | 87.6 | 87.6 | |",
        "| `moco` |  |  | **90.1** | **90.1** | -, 1 |",
        "| `simclr` | **90.1** | **90.1** |  |  | 3, - |",
    ]


@pytest.mark.parametrize(("spread", "shown"), [(0.26, "**90.1** ±0.3"), (None, "**90.1**")])
def test_the_spread_over_seeds_is_shown_where_there_is_one(spread: float | None, shown: str) -> None:
    assert readme.cell({**PART, "spread": {"trained": spread}}) == shown


@pytest.mark.parametrize("trained", [87.5, 84.0])
def test_what_does_not_beat_both_baselines_is_not_bold(trained: float) -> None:
    assert readme.cell({**PART, "trained": trained}) == f"{trained}"


def test_filling_replaces_only_what_is_between_the_markers_and_is_idempotent() -> None:
    text = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n"
    once = readme.filled(text, [ROW])
    assert once == f"before\n{readme.BEGIN}\n{readme.table([ROW])}\n{readme.END}\nafter\n"
    assert readme.filled(once, [ROW]) == once


@pytest.mark.parametrize("text", ["", readme.BEGIN, readme.END, f"{readme.END}{readme.BEGIN}"])
def test_a_missing_marker_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"README\.md needs the lines"):
        readme.filled(text, [ROW])


def test_the_readme_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (measure.RESULTS / "vision.json").exists():
        pytest.skip("no results/vision.json yet: run `make bench`")
    monkeypatch.setattr(sys, "argv", ["readme", "--check"])
    assert readme.main() == 0, "run `python -m benchmarks.readme`"


def test_candidates_take_turns_and_the_first_call_is_not_timed() -> None:
    calls: list[str] = []
    timings = measure.interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert calls == ["a", "b", "a", "b", "b", "a"]
    assert [len(part) for t in timings.values() for part in t] == [2, 2, 2, 2]


def test_the_ratio_is_the_median_of_the_rounds_ratios_not_the_ratio_of_medians() -> None:
    slow, fast = measure.Timing([2.0, 30.0, 8.0], [2.0, 2.0, 2.0]), measure.Timing([1.0, 10.0, 2.0], [1.0, 1.0, 1.0])
    assert measure.ratio(slow, fast) == {"median": 3.0, "low": 2.0, "high": 4.0}
    assert measure.ratio(slow, fast, "cpu")["median"] == 2.0


def test_a_result_file_tells_the_machine_without_naming_it(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["anything", "--quick"])
    written = json.loads(measure.save("views", [{"size": 32}], threads=1).read_text())
    assert written["command"] == "python -m benchmarks.views --quick"
    assert written["rows"] == [{"size": 32}]
    assert written["threads"] == 1
    assert written["machine"].keys() >= {"processor", "cores", "torch", "numba"}


def test_the_untrained_row_is_that_of_most_methods_not_of_a_form_of_ones_own():
    def row(method: str, untrained: float, seeds: int) -> dict[str, Any]:
        probe = {protocol: {"trained": 60.0, "untrained": untrained, "raw": 40.0} for protocol in readme.PROTOCOLS}
        return {"method": method, "data": "cifar10", "seeds": seeds, "probe": probe}

    rows = [row("amdim", 42.9, 3), row("moco", 47.8, 1), row("simclr", 47.8, 1)]
    assert readme.baseline(rows, "cifar10", "untrained") == "47.8 | 47.8"
