"""The sections of a fine-tuned run: its table, and the pictures with boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from report import made

from selftaught import report
from selftaught.report import about
from selftaught.report.page import Page
from selftaught.report.sections import answers, detection, finetune

CELL = {"AP": {"mean": 12.34, "spread": 1.5}, "seeds": 3, "steps": 40, "setting": {"lr": 0.002, "trunk": 0.1}}
URI = "data:image/webp;base64,AAAA"


def tuned(path: Path, **examples: Any) -> Page:
    run = made.bare(path)
    run.write_config(run.config | {"finetune": {"task": "detection"}})
    alone = CELL | {"AP": {"mean": 3.0, "spread": None}, "setting": {}}
    rows = {"all": {"frozen": alone, "tuned": CELL}}
    run.update_summary(finetune={"task": "detection", "metrics": ["AP"], "rows": rows})
    if examples:
        run.write_json("examples.json", examples)
    return Page(run)


def test_the_table_has_a_row_for_each_side(tmp_path: Path) -> None:
    page = tuned(tmp_path / "run")
    assert finetune.suits(page)
    assert finetune.data(page) == {"task": "detection", "metrics": ["AP"], "rows": [
        {"labels": "all", "side": "frozen", "seeds": 3, "steps": 40, "setting": "", "values": [[3.0, None]]},
        {"labels": "all", "side": "tuned", "seeds": 3, "steps": 40, "setting": "lr 0.002, trunk 0.1",
         "values": [[12.34, 1.5]]},
    ]}  # fmt: skip
    assert about.title(page).startswith("detection on ")
    assert "repeat" not in about.commands(page) and "finetune ... --resume" in about.commands(page)["resume"]
    assert not finetune.suits(Page(made.bare(tmp_path / "other")))


def test_numbers_that_are_no_percentages_are_said_to_be_such(tmp_path: Path) -> None:
    page = tuned(tmp_path / "run")
    page.run.update_summary(finetune=page.summary["finetune"] | {
        "better": {"AP": -1}, "beside": {made.EVIL: {"AP": 3.5}, "other": {}}, "signatures": {"AP": "version:2"},
    })  # fmt: skip
    told = finetune.data(Page(page.run))
    assert told is not None and told["better"] == {"AP": -1} and told["signatures"] == ["AP: version:2"]
    assert told["beside"] == [{"name": made.EVIL, "values": [3.5]}, {"name": "other", "values": [None]}]
    assert made.EVIL not in report.write(page.run).read_text()


def test_pictures_are_those_of_the_examples(tmp_path: Path) -> None:
    row = {"name": made.EVIL, "uri": URI, "width": 4, "height": 3, "truth": [], "found": [[0, 0, 0.5, 0.5, 0, 0.9]]}
    other = row | {"uri": "https://example.com/a.png"}  # a page asks for nothing
    page = tuned(tmp_path / "run", section="detection", classes=[made.EVIL], rows=[row, other])
    told = detection.data(page)
    assert detection.suits(page) and told is not None and told["rows"] == [row]
    text = report.write(page.run).read_text()
    assert URI in text and made.EVIL not in text and 'id="detection-pictures"' in text
    assert not detection.suits(tuned(tmp_path / "none"))
    assert not detection.suits(tuned(tmp_path / "else", section="spans", rows=[row]))


def test_answers_are_those_of_the_examples(tmp_path: Path) -> None:
    rows = [[made.EVIL, "good", 0.9], ["short"]]
    page = tuned(tmp_path / "run", section="answers", columns=["text", "said", "probability"], rows=rows)
    told = answers.data(page)
    assert answers.suits(page) and not detection.suits(page) and told is not None
    assert told["rows"][0]["columns"] == ["text", "said", "probability"] and told["rows"][0]["rows"] == rows[:1]
    text = report.write(page.run).read_text()
    assert 'id="answers"' in text and made.EVIL not in text
    assert not answers.suits(tuned(tmp_path / "none")) and not answers.suits(tuned(tmp_path / "else", section="spans"))
