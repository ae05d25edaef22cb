"""The benchmark of tasks of text: its rows, and what they hold."""

from __future__ import annotations

from benchmarks.tables import tuning_table
from benchmarks.tuning import BODIES, TASKS, rows, shown, suits
from selftaught import encoders, methods
from selftaught.config import tasks
from selftaught.data import catalog

CELL = {"seeds": 2, "steps": 5, "setting": {"lr": 0.1}, "F1": {"mean": 60.0, "spread": 1.5}, "accuracy": {"mean": 70.0}}


def test_bodies_tasks_and_texts_are_there() -> None:
    assert {body.method for body in BODIES.values()} <= set(methods.names("text"))
    assert {body.encoder["name"] for body in BODIES.values()} <= set(encoders.names("text"))
    assert {task for task, _, _ in TASKS.values()} <= set(tasks.names())
    for task, _, own in TASKS.values():
        tasks.build(task, own)  # all options are known, and fit each other
    assert [name for name in BODIES if suits(name, "ATOMIC")] == ["gpt", "gpt-lstm"] and suits("bert", "CoLA")
    assert all(option in tasks.own("sentence") for body in BODIES.values() for option in body.options)
    assert {"english", "handbook-es"} <= set(catalog.listed())


def test_a_row_has_the_first_metric_of_each_side() -> None:
    found = rows({"gpt/MRPC": {"metrics": ["F1", "accuracy"], "rows": {"all": {"frozen": CELL, "tuned": CELL}}}})
    assert [(row["body"], row["task"], row["side"], row["metric"], row["mean"]) for row in found] == [
        ("gpt", "MRPC", "frozen", "F1", 60.0), ("gpt", "MRPC", "tuned", "F1", 60.0),
    ]  # fmt: skip
    assert next(iter(shown(found))).split() == ["MRPC", "gpt", "frozen", "F1", "60.0", "±1.5", "(2)"]


def test_the_table_marks_the_best_body_of_a_task() -> None:
    better = CELL | {"F1": {"mean": 66.0, "spread": None}}
    sides = {"gpt/MRPC": {"frozen": better, "tuned": CELL}, "bert/MRPC": {"tuned": better}}
    found = rows({key: {"metrics": ["F1"], "rows": {"all": cells}} for key, cells in sides.items()})
    lines = tuning_table(found).splitlines()
    assert lines[2] == "| MRPC | `gpt` | 66.0 | 60.0 ±1.5 |  | F1 | 2 |"
    assert lines[3] == "| MRPC | `bert` |  | **66.0** |  | F1 | 2 |"


def test_written_texts_have_a_row_for_each_metric_and_for_copying() -> None:
    cells = {
        name: {
            "BLEU": {"mean": bleu, "spread": 0.5},
            "perplexity": {"mean": p, "spread": None},
            "seeds": 3,
            "setting": {},
        }
        for name, bleu, p in (("tuned", 20.0, 9.0), ("scratch", 12.0, 14.0))
    }
    better = {"perplexity": -1}
    one = {"metrics": ["BLEU", "perplexity"], "better": better, "beside": {"copying": {"BLEU": 3.0}}}
    worse = cells | {
        "tuned": cells["tuned"] | {"BLEU": {"mean": 15.0, "spread": None}, "perplexity": {"mean": 11.0, "spread": None}}
    }
    found = rows({"gpt/X": one | {"rows": {"all": cells}}, "gpt-lstm/X": one | {"rows": {"all": worse}}})
    assert tuning_table(found).splitlines()[2:] == [
        "| X | `gpt` |  | **20.0** ±0.5 | 12.0 ±0.5 | BLEU | 3 |", "| X | `gpt` |  | **9.0** | 14.0 | perplexity | 3 |",
        "| X | `gpt-lstm` |  | 15.0 | 12.0 ±0.5 | BLEU | 3 |", "| X | `gpt-lstm` |  | 11.0 | 14.0 | perplexity | 3 |",
        "| X | copying |  | 3.0 |  | BLEU |  |",
    ]  # fmt: skip
