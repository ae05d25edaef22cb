"""The tables of the documents show the measured results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import measure, tables

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
    lines = tables.methods_table([ROW, other]).splitlines()
    assert lines[0] == "| | fashion-mnist linear | kNN | cifar10 linear | kNN | seeds |"
    assert lines[2:] == [
        "| raw | 84.6 | 84.6 | 84.6 | 84.6 | |",
        "| untrained | 87.6 | 87.6 | 87.6 | 87.6 | |",
        "| `moco` |  |  | **90.1** | **90.1** | -, 1 |",
        "| `simclr` | **90.1** | **90.1** |  |  | 3, - |",
    ]


@pytest.mark.parametrize(("spread", "shown"), [(0.26, "**90.1** ±0.3"), (None, "**90.1**")])
def test_the_spread_over_seeds_is_shown_where_there_is_one(spread: float | None, shown: str) -> None:
    assert tables.cell({**PART, "spread": {"trained": spread}}) == shown


@pytest.mark.parametrize("trained", [87.5, 84.0])
def test_what_does_not_beat_both_baselines_is_not_bold(trained: float) -> None:
    assert tables.cell({**PART, "trained": trained}) == f"{trained}"


def test_variants_have_a_table_of_their_own_beside_the_defaults() -> None:
    rows = [
        ROW | {"method": "moco", "seeds": 2},
        ROW | {"method": "moco-v2", "probe": {"linear": PART | {"trained": 80.0, "untrained": 70.0}, "knn": PART}},
    ]
    assert tables.methods_table([*rows, rows[1], rows[1]]) == tables.methods_table(rows[:1])
    assert tables.variants_table(rows).splitlines()[2:] == [
        (
            "| `moco-v2` | `--mlp --temperature 0.2 --blur 0.5` | fashion-mnist | 80.0 | **90.1** | **90.1** | "
            "**90.1** | 3 |"
        )
    ]


def test_few_labels_show_what_is_gained_over_the_better_baseline() -> None:
    def row(method: str, mean: float, gain: dict[str, Any] | None = None, labels: int = 10) -> dict[str, Any]:
        gains = {"supervised": {"classifier": {"mean": 50.0, "low": 40.0, "high": 60.0}}}
        gains |= {"supervised-whole": {"classifier": gain}} if gain else {}
        return {"method": method, "labels": labels, "classifier": {"mean": mean}, "gain": gains}

    sure, unsure = {"mean": 3.04, "low": 0.5, "high": 5.5}, {"mean": 3.04, "low": -0.5, "high": 6.5}
    once = {"mean": -2.0, "low": None, "high": None}
    rows = [
        row("supervised", 60.0),
        row("sla", 63.0, sure),
        row("pi_model", 63.0, unsure),
        row("pi_model", 58.0, once, 4),
    ]
    assert tables.labels_table(rows).splitlines() == [
        "| | 4 labels a class | 10 labels a class |",
        "|---|---|---|",
        "| `supervised` |  | 60.0 |",
        "| `sla` |  | **63.0** (+3.0: +0.5 to +5.5) |",
        "| `pi_model` | 58.0 (-2.0) | 63.0 (+3.0: -0.5 to +6.5) |",
    ]


def test_fine_tuning_is_bold_where_it_beats_four_times_as_long_from_scratch() -> None:
    def row(method: str, few: float, every: float, spread: float | None) -> dict[str, Any]:
        labels = {
            "1%": {"accuracy": few, "spread": spread, "seeds": 3},
            "all": {"accuracy": every, "spread": spread, "seeds": 2},
        }
        return {"data": "cifar10", "method": method, "labels": labels}

    rows = [row("simclr", 41.0, 70.0, 0.24), row("scratch-4x", 40.0, 74.0, None), row("scratch", 38.0, 70.0, None)]
    assert tables.finetuning_table(rows).splitlines()[2:] == [
        "| `scratch` | cifar10 | 38.0 | 70.0 | 3 |",
        "| `scratch-4x` | cifar10 | 40.0 | 74.0 | 3 |",
        "| `simclr` | cifar10 | **41.0** ±0.2 | 70.0 ±0.2 | 3 |",
    ]


def test_filling_replaces_only_what_is_between_the_markers_and_is_idempotent() -> None:
    text = "before\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter\n<!-- b: begin -->\nb\n<!-- b: end -->\n"
    once = tables.filled(text, "a", "new")
    assert once == text.replace("old", "new")
    assert tables.filled(once, "a", "new") == once


@pytest.mark.parametrize("text", ["", "<!-- a: begin -->", "<!-- a: end -->", "<!-- a: end --><!-- a: begin -->"])
def test_a_missing_marker_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"needs the lines <!-- a: begin --> and <!-- a: end -->"):
        tables.filled(text, "a", "new")


def test_every_document_has_its_markers_and_shows_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (document, _, _) in tables.TABLES.items():
        tables.filled(document.read_text(), name, "")
    monkeypatch.setattr(sys, "argv", ["tables", "--check"])
    assert tables.main() == 0, "run `python -m benchmarks.tables`"


def test_a_document_that_is_out_of_date_is_found_and_rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vision.json").write_text(json.dumps({"rows": [ROW]}))
    document = tmp_path / "page.md"
    document.write_text("<!-- methods: begin -->\nold\n<!-- methods: end -->\n")
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    monkeypatch.setattr(
        tables, "TABLES", {"methods": (document, "vision", tables.methods_table), "words": (document, "words", str)}
    )
    monkeypatch.setattr(sys, "argv", ["tables", "--check"])
    assert tables.main() == 1 and "old" in document.read_text()
    monkeypatch.setattr(sys, "argv", ["tables"])
    assert tables.main() == 0 and tables.methods_table([ROW]) in document.read_text()


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
        probe = {protocol: {"trained": 60.0, "untrained": untrained, "raw": 40.0} for protocol in tables.PROTOCOLS}
        return {"method": method, "data": "cifar10", "seeds": seeds, "probe": probe}

    rows = [row("amdim", 42.9, 3), row("moco", 47.8, 1), row("simclr", 47.8, 1)]
    assert tables.baseline(rows, "cifar10", "untrained") == "47.8 | 47.8"


def test_language_models_are_compared_in_two_tables() -> None:
    rows = [
        {
            "row": "gpt", "what": "a step of gpt, 8,192 tokens", "times": {"median": 1.25}, "memory": 0.5,
            "tokens_per_second": {"selftaught": 5000, "transformers": 4000}, "body": 0.7, "batch": 0.012,
        },
        {
            "row": "generation", "length": 500,
            "milliseconds": {"selftaught": {"first": 1.0, "last": 1.25}, "transformers": {"first": 2.0, "last": 3.0}},
        },
        {"row": "shakespeare", "seconds": 120.4, "nanoGPT": 1.88, "selftaught": {"mean": 1.65, "spread": 0.01}},
    ]  # fmt: skip
    lines = tables.language_table(rows).splitlines()
    assert lines[2] == "| gpt, 8,192 tokens | 5,000 | 4,000 | 1.25 | 0.50 | 70% | 1.2% |"
    assert lines[-2].endswith("of 500 | 1.0 to 1.2 ms | transformers: 2.0 to 3.0 ms |")
    assert lines[-1].endswith("after 120 s | 1.650 ±0.010 | nanoGPT: 1.88 |")
