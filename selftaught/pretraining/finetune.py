"""Fine-tuning from Python and the command line: the data, the trainings, and the run that is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from selftaught import encoders
from selftaught.config import Config, Layer, resolve, tasks
from selftaught.errors import UserError
from selftaught.evaluate import finetune as engine
from selftaught.evaluate.finetune import Line, Plan
from selftaught.evaluate.tuning import Parts, Tuning
from selftaught.kind import Split
from selftaught.method import Encoder, Method, Source
from selftaught.parts.packed import packed
from selftaught.pretraining import place
from selftaught.pretraining.build import locate
from selftaught.pretraining.result import Run
from selftaught.pretraining.weights import inherited
from selftaught.run import RunFolder, to_json, write_atomically

LINES = "finetune.jsonl"
"""The file of a run with a line for each finished training."""


def finetune(
    run: Run,
    data: Any,
    task: str = tasks.USUAL,
    *,
    plan: Plan | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    groups: str | None = None,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> Run:
    """Train a run's encoder for a task, beside the same encoder frozen and from scratch, and keep the best as a run.

    Kept is the training of all weights (or of the first of `plan.sides`) with the most labels and the first seed; its
    summary has the means and spreads of all under "finetune".

    Args:
        run: The run, or an encoder alone.
        data: The data of the task: what its file in `evaluate/tasks` reads.
        task: The name of the task.
        plan: What is trained.
        out: The run folder; by default runs/finetune-RUN-DATA with the next free number.
        resume: Continue what was stopped at `out`: finished trainings are not repeated.
        groups: Which samples stay on one side of a split, see `data.groups`.
        say: Called with a line at each stage.
        **options: The task's own options.

    Raises:
        UserError: One sentence that says what is wrong and how to fix it.
        Stopped: A signal asked to stop; `resume` continues.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError("fine-tuning runs in one process: start it without torchrun")
    plan = plan or Plan()
    made, subject = tasks.build(task, options), _Subject(run, groups)
    if groups is not None and not made.grouped:
        raise UserError(
            f"groups has no effect on {task}: remove it, or give the parts in files or folders of their own"
        )
    parts = made.open(subject, data, say)
    config = _config(run, data, groups, subject.encoder)
    found = {"run": str(Path(run.path).resolve()), "task": task, "options": options}
    found |= {"plan": engine.fingerprint(made, parts, plan, run.encoder)}
    found = json.loads(json.dumps(found))  # as it comes back from the folder: tuples are lists
    path = _named(run, config, say) if out is None else Path(out)
    again = resume and (path / "config.yaml").exists()
    if again:
        folder = RunFolder.open(path)
        if {k: v for k, v in (folder.config.get("finetune") or {}).items() if k != "setting"} != found:
            raise UserError(f"{path} was started with another encoder, task, data or plan: choose another --out")
    else:
        folder = place.create(path, config, {"finetune": found})
    kept = _Kept(folder, made, config, found, parts)
    try:
        with folder.lock():
            done = _lines(folder) if again else []
            lines = engine.finetune(
                subject, made, parts, plan, done=done, record=kept.record, keep=kept.keep, say=say
            )  # fmt: skip
            folder.update_summary(finetune=folder.summary["finetune"] | engine.summary(made, lines, parts))
    except ValueError:  # the input is at fault, so the corrected command may use the same name
        if not again and not (path / LINES).exists():
            place.forget(folder)
        raise
    return Run(path, data=None if isinstance(data, str | Path) else data)


@final
class _Subject:
    """Obeys `evaluate.tuning.Subject`."""

    def __init__(self, run: Run, groups: str | None) -> None:
        self.run, self.groups = run, groups

    @property
    def encoder(self) -> Encoder:
        return self.run.encoder

    def open(self, data: Any, split: Split) -> Source:
        return self.run.open(data, split, groups=self.groups)

    def named(self, data: Any) -> str:
        return str(data) if isinstance(data, str | Path) else "the data in memory"


@final
class _Kept:
    """The run folder that the trainings leave."""

    def __init__(self, folder: RunFolder, task: Tuning, config: Config, found: Mapping[str, Any], parts: Parts) -> None:
        self.folder, self.task, self.config, self.found, self.parts = folder, task, config, found, parts

    def record(self, line: Line) -> None:
        """Append a finished training to the lines."""
        with (self.folder.path / LINES).open("ab") as file:
            file.write(to_json(line, indent=None))

    def keep(self, method: Method, line: Line, trained: RunFolder | None) -> None:
        """Write a training as the run."""
        recipe = {} if trained is None else dict(trained.config["recipe"])
        resolved = {} if trained is None else trained.resolved
        config = replace(self.config, data=self.config.data | {"labels": line["labels"]}).as_dict()
        arguments = {name: value for name, value in line["setting"].items() if name != "lr"}
        config["method"] |= {name: value for name, value in arguments.items() if name in config["method"]}
        config["recipe"] |= {name: value for name, value in recipe.items() if name in config["recipe"]}
        note = {"finetune": {**self.found, "setting": line["setting"]}, "resolved": resolved}
        write_atomically(self.folder.path / "method.safetensors", packed(method.state_dict()))
        write_atomically(self.folder.path / "encoder.safetensors", encoders.pack(method.kept))
        self.folder.write_json("classes.json", list(self.parts.train.classes))
        if trained is not None:
            write_atomically(self.folder.path / "metrics.jsonl", (trained.path / "metrics.jsonl").read_bytes())
        examples = self.task.examples(method, self.parts.test)
        if examples is not None:
            self.folder.write_json("examples.json", examples)
        self.folder.write_json("summary.json", {
            "method": self.config.method, "encoder": self.config.encoder,
            "data": self.config.data["source"] or "in memory", "samples": len(self.parts.train),
            "samples_are": self.parts.train.samples, "parameters": sum(p.numel() for p in method.kept.parameters()),
            "dim": method.kept.dim, "steps": line["steps"], "planned_steps": line["steps"], "seconds": line["seconds"],
            "finished": True, "interrupted": None,
            "finetune": {"task": self.found["task"], "kept": line},
        })  # fmt: skip
        self.folder.write_config({**self.folder.config, **config, **note})


def _config(run: Run, data: Any, groups: str | None, encoder: Encoder) -> Config:
    """Return the configuration of the run that is kept."""
    said: dict[str, Any] = {"method.name": "supervised", "init": str(Path(run.path).resolve())}
    said |= {"data.kind": encoder.spec["input"]["kind"], "data.source": locate(data)}
    said |= {"data.split": "train", "data.groups": groups}
    layer = Layer.of({key: value for key, value in said.items() if value is not None})
    held = None if isinstance(data, str | Path) else data
    return resolve(layer, inherited(str(run.path)), data=held)


def _named(run: Run, config: Config, say: Callable[[str], None] | None) -> Path:
    path = place.unused(place.RUNS / f"finetune-{Path(run.path).resolve().stem}-{place.called(config)}")
    if say is not None:
        say(f"the run goes to {path}")
    return path


def _lines(folder: RunFolder) -> list[Line]:
    """Return the finished trainings; a last line that was cut by a crash is dropped, from the file too."""
    path = folder.path / LINES
    if not path.exists():
        return []
    whole = path.read_bytes()
    lines = whole.split(b"\n")[:-1]
    write_atomically(path, b"".join(line + b"\n" for line in lines))
    return [json.loads(line) for line in lines]
