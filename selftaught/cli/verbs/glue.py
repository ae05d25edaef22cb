"""The verb of the benchmark GLUE: glue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from selftaught.cli.output import SWITCH, Json, remark, show, show_json, table


def glue(
    run: Path,
    folder: Path,
    /,
    *,
    sides: Annotated[
        list[Literal["frozen", "tuned", "scratch"]] | None, Parameter(consume_multiple=True, negative="")
    ] = None,
    seeds: int = 3,
    seed: int = 0,
    lr: float | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    out: Path | None = None,
    resume: Annotated[bool, Parameter(**SWITCH)] = False,
    json_: Json = False,
    task_options: dict[str, Any],
) -> int:
    """Fine-tune a run for every task of GLUE in a folder, and print GLUE's table and score over them.

    FOLDER has a folder for each task, with its files as they are published: CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI,
    RTE, WNLI. Their test parts have no labels, so the development part judges, and learning rates are chosen on a part
    of the training labels.

    Args:
        run: The run folder of gpt, bert or elmo, or an encoder.safetensors.
        folder: The folder of the tasks. Those that are missing are named.
        sides: frozen, tuned and scratch, see finetune. By default all three.
        seeds: Number of seeds of each, for the mean and the spread.
        seed: The first seed.
        lr: The learning rate of all trainings; by default chosen.
        steps: Steps of each training; by default those of --epochs.
        batch_size: Samples per step; by default 32.
        device: auto, cpu, cuda or cuda:N.
        out: The folder that gets a run for each task. By default runs/glue-RUN, with the next free number.
        resume: Continue what was stopped at --out: finished trainings are not repeated.
        task_options: The options that all tasks of text share; made from their signature.
    """
    from selftaught import pretraining
    from selftaught.evaluate.finetune import SIDES, Plan, Stopped
    from selftaught.evaluate.glue import table as tabled
    from selftaught.pretraining.glue import glue as measured

    chosen = tuple(sides) if sides else SIDES
    plan = Plan(("all",), chosen, seeds, seed, lr, steps, 1, batch_size, device)
    try:
        found = measured(pretraining.load(run), folder, plan=plan, out=out, resume=resume, say=remark, **task_options)
    except Stopped as stop:
        remark("stopped; what was finished is kept: continue with the same command and --resume --out FOLDER")
        return 128 + stop.number
    if json_:
        show_json(found)
        return 0
    rows, text = tabled(found["tasks"])
    table(rows, left=text)
    if found["missing"]:
        show(f"\nthe mean is over {len(found['tasks'])} of 9 tasks; missing: {', '.join(found['missing'])}")
    show(f"\nthe runs are in {found['out']}")
    return 0
