"""The benchmark of tasks of text: its rows, and what they hold."""

from __future__ import annotations

from benchmarks.tables import tuning_table
from benchmarks.tuning import BODIES, TASKS, rows, shown
from selftaught import encoders, methods
from selftaught.config import tasks
from selftaught.data import catalog

CELL = {"seeds": 2, "steps": 5, "setting": {"lr": 0.1}, "F1": {"mean": 60.0, "spread": 1.5}, "accuracy": {"mean": 70.0}}


def test_bodies_tasks_and_texts_are_there() -> None:
    assert {body.method for body in BODIES.values()} <= set(methods.names("text"))
    assert {body.encoder["name"] for body in BODIES.values()} <= set(encoders.names("text"))
    assert {task for task, _ in TASKS.values()} <= set(tasks.names())
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
