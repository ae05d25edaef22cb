"""GLUE from Python and the command line: fine-tune for every task whose files are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from selftaught.errors import UserError
from selftaught.evaluate import glue as benchmark
from selftaught.evaluate.finetune import Plan
from selftaught.pretraining import place
from selftaught.pretraining.finetune import finetune
from selftaught.pretraining.result import Run
from selftaught.run import to_json, write_atomically

SUMMARY = "glue.json"
"""The file with the results, beside the runs."""


def glue(
    run: Run,
    folder: str | Path,
    *,
    plan: Plan | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Fine-tune a run for every task of GLUE in a folder, and return what each was measured to be.

    Args:
        run: The run, or an encoder alone.
        folder: It has a folder for each task: CoLA, SST-2, MRPC, ...
        plan: What is trained, with all labels.
        out: Gets a run for each task, and glue.json; by default runs/glue-RUN with the next free number.
        resume: Continue what was stopped at `out`.
        say: Called with a line at each stage.
        **options: Those that the tasks of text share, see `evaluate.texts.training`.

    Returns: ``{"out", "tasks": {name: the summary of `finetune`}, "scores": {side: {task: score, "GLUE": mean}},
        "missing": [names]}``.

    Raises UserError for a folder without a task, and what `finetune` raises.
    """
    there = benchmark.found(Path(folder).expanduser())
    missing = [part.name for part in benchmark.PARTS if part.name not in there]
    path = place.unused(place.RUNS / f"glue-{Path(run.path).resolve().stem}") if out is None else Path(out)
    if path.exists() and not resume:
        raise UserError(f"{path} already exists: choose another --out, or continue it with --resume")
    if say is not None and missing:
        say(f"missing in {folder}: {', '.join(missing)}")
    tasks: dict[str, Any] = {}
    for part in (part for part in benchmark.PARTS if part.name in there):
        if say is not None:
            say(part.name)
        tuned = finetune(
            run, str(there[part.name]), part.task, plan=plan, out=path / part.name, resume=resume, say=say, **options
        )
        tasks[part.name] = tuned.summary["finetune"]
    sides = dict.fromkeys(side for one in tasks.values() for cells in one["rows"].values() for side in cells)
    scores = {side: benchmark.score(tasks, side) for side in sides}
    found = {"out": str(path), "tasks": tasks, "scores": scores, "missing": missing}
    write_atomically(path / SUMMARY, to_json(found))
    return found
