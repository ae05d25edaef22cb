"""From the probe of summary.json to the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from report import made, made_words
from report.made import Stripes, row

from selftaught.report.page import Page
from selftaught.report.sections import result
from selftaught.report.sections.result import table


def test_table_orders_budgets_by_labels_used() -> None:
    labels = {"10": row(1, 2, 3, 0.5), "all": row(4, 5, 6), "2%": row(7, 8, 9), "1000": row(1, 1, 1)}
    found = table({"linear": row(90, 80, 70), "knn": {"trained": 5.0}, "labels": labels}, Stripes(150))
    assert found is not None
    assert [(r["name"], r["x"]) for r in found["budgets"]] == [
        ("2% of the labels", 3),
        ("10 labels a class", 30),
        ("All labels", 150),
        ("1000 labels a class", 150),
    ]
    assert found["budgets"][1]["spread"] == {"trained": 0.5, "untrained": 0.5, "raw": 0.5}
    assert [r["name"] for r in found["rows"]] == ["Linear probe", "Nearest neighbours"]
    assert found["rows"][1]["untrained"] is None
    assert found["majority"] is None
    beside = table({"linear": row(9, 8, 7), "majority": 33.5})
    assert beside is not None and beside["majority"] == 33.5


def test_table_without_a_probe_or_a_source() -> None:
    assert table(None) is None
    assert table({"linear": {}, "labels": {}}) is None
    found = table({"labels": {"10": row(1, 2, 3), "all": row(4, 5, 6)}})
    assert found is not None
    assert [r["x"] for r in found["budgets"]] == [None, None]


def test_what_is_raw_is_said_by_the_kind(tmp_path: Path) -> None:
    run = made.full(tmp_path / "run")
    told = [result.data(Page(run, encoder)) for encoder in (None, made.encoder(), made_words.network())]
    assert [found and found["raw"] for found in told] == [
        "the samples as numbers", "the pixels themselves", "how often a text has each frequent word",
    ]  # fmt: skip


@pytest.mark.parametrize("probed", [False, True])
def test_words_that_were_not_probed_have_no_such_section(tmp_path: Path, probed: bool) -> None:
    run = (made.full if probed else made.bare)(tmp_path / "run")
    assert result.suits(Page(run, made_words.network())) is probed
    assert result.suits(Page(run, made.encoder()))
