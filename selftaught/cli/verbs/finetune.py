"""The verb that fine-tunes: finetune."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from selftaught.cli.output import SWITCH, Json, remark, show, show_json, table


def finetune(
    run: Path,
    task: str | None = None,
    data: str | None = None,
    /,
    *,
    labels: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    sides: Annotated[
        list[Literal["frozen", "tuned", "scratch"]] | None, Parameter(consume_multiple=True, negative="")
    ] = None,
    seeds: int = 3,
    seed: int = 0,
    lr: float | None = None,
    steps: int | None = None,
    longer: int = 1,
    batch_size: int | None = None,
    groups: str | None = None,
    device: str = "auto",
    out: Path | None = None,
    resume: Annotated[bool, Parameter(**SWITCH)] = False,
    json_: Json = False,
    task_options: dict[str, Any],
) -> int:
    """Train a run's encoder for a task: frozen, with all weights, and beside them from scratch, over several seeds.

    'selftaught finetune RUN DATA' is classification; 'selftaught finetune RUN TASK DATA' names another task: {tasks}.
    'selftaught finetune RUN TASK --help' lists the options of the task. The learning rate is chosen on a part of the
    training labels. The training of all weights with the most labels and the first seed is kept as a run, which embed,
    probe, report and predict take.

    Args:
        run: The run folder, or an encoder.safetensors.
        task: {tasks}. May be left out for classification.
        data: The data of the task.
        labels: Shares of the training labels: 1%, 10/class, all. By default those of the task.
        sides: What is trained: frozen (a head on the features as they are), tuned (all weights), scratch (all weights,
            from random ones). By default all three.
        seeds: Number of seeds of each, for the mean and the spread.
        seed: The first seed.
        lr: The learning rate of all trainings; by default chosen.
        steps: Steps of each training; by default the task's rule.
        longer: From scratch, so many times as many steps.
        batch_size: Samples per step; by default the task's.
        groups: Which samples stay on one side of a split, such as the frames of one video: a column, a file with the
            group of each sample, or a regular expression for the paths.
        device: auto, cpu, cuda or cuda:N.
        out: The run folder that is written. By default runs/finetune-RUN-DATA, with the next free number.
        resume: Continue what was stopped at --out: finished trainings are not repeated.
        task_options: The options of the task by name; made from its signature.
    """
    from selftaught import pretraining
    from selftaught.config.tasks import USUAL, names
    from selftaught.errors import UserError, unknown
    from selftaught.evaluate.finetune import SIDES, Plan, Stopped
    from selftaught.evaluate.finetune import table as tabled
    from selftaught.pretraining.finetune import finetune as trained

    if data is None:
        task, data = (None, task) if task not in names() else (task, None)
    if data is None:
        raise UserError("no data is given: selftaught finetune RUN DATA, or selftaught finetune RUN TASK DATA")
    if task is not None and task not in names():
        raise unknown("task", task, names())
    plan = Plan(
        tuple(labels) if labels else None, tuple(sides) if sides else SIDES, seeds, seed, lr, steps, longer, batch_size,
        device,
    )  # fmt: skip
    loaded = pretraining.load(run)
    try:
        tuned = trained(
            loaded, data, task or USUAL, plan=plan, out=out, resume=resume, groups=groups, say=remark, **task_options
        )
    except Stopped as stop:
        remark("stopped; what was finished is kept: continue with the same command and --resume --out RUN")
        return 128 + stop.number
    found = tuned.summary["finetune"]
    if json_:
        show_json({"run": str(tuned.path), **found})
        return 0
    rows, text = tabled(found)
    table(rows, left=text)
    kept = found["kept"]
    show(f"\nthe run {tuned.path} is {kept['side']} with labels {kept['labels']}, seed {kept['seed']}")
    return 0
