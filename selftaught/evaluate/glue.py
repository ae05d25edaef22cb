"""GLUE: which tasks it has, where their files are, and its score."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from selftaught.errors import UserError
from selftaught.evaluate.task import Table


class Part(NamedTuple):
    """One task of GLUE: its name, the task of `tasks/` that it is, what its score is the mean of, and its folders."""

    name: str
    task: str
    metrics: tuple[str, ...]
    folders: tuple[str, ...]


PARTS = (
    Part("CoLA", "sentence", ("Matthews",), ("cola",)),
    Part("SST-2", "sentence", ("accuracy",), ("sst2", "sst")),
    Part("MRPC", "pair", ("F1", "accuracy"), ("mrpc",)),
    Part("STS-B", "similarity", ("Pearson", "Spearman"), ("stsb", "sts", "stsbenchmark")),
    Part("QQP", "pair", ("F1", "accuracy"), ("qqp",)),
    Part("MNLI", "pair", ("accuracy",), ("mnli", "multinli")),
    Part("QNLI", "pair", ("accuracy",), ("qnli", "qnliv2")),
    Part("RTE", "pair", ("accuracy",), ("rte",)),
    Part("WNLI", "pair", ("accuracy",), ("wnli",)),
)
"""In GLUE's order. Of MNLI, matched and mismatched pairs are judged together."""


def found(folder: Path) -> dict[str, Path]:
    """Return the folder of each task that is there, by its name. Raises UserError if there is none."""
    if not folder.is_dir():
        raise UserError(
            f"{folder}: there is no such folder: give the folder that has those of GLUE's tasks (CoLA, ...)"
        )
    inside = {re.sub(r"[^a-z0-9]", "", one.name.lower()): one for one in sorted(folder.iterdir()) if one.is_dir()}
    there = {part.name: inside[name] for part in PARTS for name in reversed(part.folders) if name in inside}
    if not there:
        raise UserError(f"{folder} has no folder of a task of GLUE: {', '.join(part.name for part in PARTS)}")
    return there


def score(rows: Mapping[str, Mapping[str, Any]], side: str) -> dict[str, float]:
    """Return the score of each task from its summary, and "GLUE", the mean over tasks, for one side of fine-tuning.

    The score of a task is the mean of its metrics.

    >>> cell = {"F1": {"mean": 80.0}, "accuracy": {"mean": 70.0}}
    >>> score({"MRPC": {"rows": {"all": {"tuned": cell}}}}, "tuned")
    {'MRPC': 75.0, 'GLUE': 75.0}
    """
    scores = {}
    for part in PARTS:
        labels = list(rows[part.name]["rows"].values()) if part.name in rows else []
        cell: Mapping[str, Any] = labels[0].get(side, {}) if labels else {}
        if cell:
            values = [float(cell[metric]["mean"]) for metric in part.metrics]
            scores[part.name] = round(sum(values) / len(values), 2)
    return scores | ({"GLUE": round(sum(scores.values()) / len(scores), 2)} if scores else {})


def table(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a row for each task and side with all that is measured, and one for the score of each side."""
    lines: list[dict[str, Any]] = []
    sides = list(dict.fromkeys(side for one in rows.values() for cells in one["rows"].values() for side in cells))
    scores = {side: score(rows, side) for side in sides}
    for part in PARTS:
        for cells in rows[part.name]["rows"].values() if part.name in rows else ():
            for side, cell in cells.items():
                said = ", ".join(_spoken(metric, cell[metric]) for metric in part.metrics)
                lines.append({"task": part.name, "encoder": side, "score": scores[side][part.name], "measured": said})
    lines += [{"task": "GLUE", "encoder": side, "score": scores[side]["GLUE"], "measured": "mean"} for side in sides]
    return Table(lines, ("task", "encoder", "measured"))


def _spoken(metric: str, cell: Mapping[str, Any]) -> str:
    spread = "" if cell["spread"] is None else f" ± {cell['spread']:.1f}"
    return f"{metric} {cell['mean']:.1f}{spread}"
