"""Fine-tuning: what an encoder is worth as the start of a task, beside the same encoder frozen and from scratch."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, final, get_args

import numpy as np
import torch

from selftaught import fit
from selftaught.data.budget import Budget, parse
from selftaught.errors import UserError
from selftaught.evaluate.probe import fresh
from selftaught.evaluate.task import Said, Table
from selftaught.evaluate.tuning import Parts, Setting, Subject, Tuning
from selftaught.method import Encoder, Method, Source
from selftaught.recipe import Recipe
from selftaught.run import RunFolder

Side = Literal["frozen", "tuned", "scratch"]
SIDES: tuple[Side, ...] = get_args(Side)
Line = dict[str, Any]
"""One training: "labels", "side", "seed", "setting", "steps", "seconds" and the task's metrics."""


class Stopped(Exception):
    """A signal ended a training: `number` is that of the signal. What was finished before is recorded."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@final
@dataclass(frozen=True)
class Plan:
    """What is trained.

    Args:
        labels: Shares of the training labels: "1%", "10/class", "all". None = the task's own.
        sides: frozen trains a head on the features as they are, tuned all weights, scratch all weights of the same
            encoder with random ones.
        seeds: Number of seeds of each. Seed s draws the labels, the head, the order, the views and, from scratch, the
            encoder.
        seed: The first of them.
        lr: Learning rate of all trainings; None = chosen on a part of the training labels.
        steps: Steps of each training; None = the task's rule.
        longer: From scratch, so many times as many steps.
        batch_size: Samples per step; None = the task's.
        device: Where to train.

    Raises UserError for a value out of range.
    """

    labels: tuple[str, ...] | None = None
    sides: tuple[Side, ...] = SIDES
    seeds: int = 3
    seed: int = 0
    lr: float | None = None
    steps: int | None = None
    longer: int = 1
    batch_size: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        for budget in self.labels or ():
            parse(budget)
        for name in ("seeds", "steps", "longer", "batch_size"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.lr is not None and not 0 <= self.lr < float("inf"):
            raise UserError(f"lr must be a finite number of at least 0, not {self.lr}")
        if not self.sides:
            raise UserError(f"sides must name at least one of {', '.join(SIDES)}")
        for side in self.sides:
            if side not in SIDES:
                raise UserError(f"sides must be of {', '.join(SIDES)}, not '{side}'")
        if self.longer != 1 and "scratch" not in self.sides:
            raise UserError("longer has no effect without the side scratch: remove it")
        for name in ("labels", "sides"):
            given = getattr(self, name) or ()
            if len(set(given)) < len(given):
                raise UserError(f"{name} names one of {', '.join(given)} twice: remove it")

    def budgets(self, task: Tuning) -> tuple[str, ...]:
        """Return the shares of the labels for a task."""
        return self.labels or task.labels

    def kept(self, task: Tuning) -> tuple[str, Side, int]:
        """Return which training is kept as a run: the most labels, all weights if they are trained, the first seed."""
        side: Side = "tuned" if "tuned" in self.sides else self.sides[0]
        return max(self.budgets(task), key=_size), side, self.seed


def finetune(
    run: Subject,
    task: Tuning,
    parts: Parts,
    plan: Plan,
    *,
    done: Sequence[Line] = (),
    record: Callable[[Line], None] | None = None,
    keep: Callable[[Method, Line, RunFolder | None], None] | None = None,
    say: Said | None = None,
) -> list[Line]:
    """Train and measure every side with every share of the labels and every seed, and return a line for each.

    The setting (the learning rate, above all) is chosen on a part of the labels of the first seed, by training on the
    others, for each side and each share of the labels. Test labels are used for the final numbers alone.

    Args:
        run: The run, or the encoder alone.
        task: What the encoder is trained for.
        parts: The data, as the task opened them.
        plan: What is trained.
        done: Lines of an earlier call, which are not measured again.
        record: Called with each new line, so that nothing finished is lost.
        keep: Called with the method of `Plan.kept`, its line, and the folder that it was trained in.
        say: Called with a sentence for each training.

    Raises:
        UserError: The data do not suit the task.
        Stopped: A signal asked to stop.
    """
    lines = list(done)
    settings = {(line["labels"], line["side"]): line["setting"] for line in done}
    for budget in plan.budgets(task):
        for seed in range(plan.seed, plan.seed + plan.seeds):
            train = task.few(parts.train, parse(budget), seed)
            for side in plan.sides:
                if any((line["labels"], line["side"], line["seed"]) == (budget, side, seed) for line in done):
                    continue
                trial = _Trial(run, task, plan, side, seed)
                if (budget, side) not in settings:
                    settings[budget, side] = trial.choose(train, say)
                setting = settings[budget, side]
                began = time.perf_counter()
                with TemporaryDirectory(prefix="selftaught-finetune-") as place:
                    method, steps, folder = trial.trained(train, setting, Path(place) / "run")
                    found = task.judge(method, parts.train, parts.test)
                    line = {"labels": budget, "side": side, "seed": seed, "setting": dict(setting), "steps": steps}
                    line |= {"seconds": round(time.perf_counter() - began, 2)}
                    line |= {metric: round(found[metric], 2) for metric in task.metrics}
                    if keep is not None and (budget, side, seed) == plan.kept(task):
                        keep(method, line, folder)
                if record is not None:
                    record(line)
                lines.append(line)
                if say is not None:
                    numbers = ", ".join(f"{metric} {line[metric]:.1f}" for metric in task.metrics)
                    say(f"{side}, {_named(budget)}, seed {seed}: {numbers} ({line['seconds']:.0f} s)")
    return lines


@final
@dataclass(frozen=True)
class _Trial:
    """One training of one side with one seed."""

    run: Subject
    task: Tuning
    plan: Plan
    side: Side
    seed: int

    def choose(self, train: Source, say: Said | None) -> Setting:
        """Return the setting that is best on a part of the training labels; of equals the first."""
        choices: tuple[Setting, ...] = self.task.head if self.side == "frozen" else self.task.settings
        if self.plan.lr is not None and "lr" in choices[0]:
            choices = ({**choices[0], "lr": self.plan.lr},)
        halves = self.task.halves(train, self.seed)
        if halves is None or len(choices) == 1:
            return choices[0]
        scores, by = [], self.task.chooses or self.task.metrics[0]
        sign = self.task.better.get(by, 1)
        for setting in choices:
            with TemporaryDirectory(prefix="selftaught-finetune-") as place:
                try:
                    method, _, _ = self.trained(halves[0], setting, Path(place) / "run")
                    scores.append(self.task.tried(method, *halves)[by])
                except fit.NonFiniteLoss:  # too large a rate for this encoder
                    scores.append(-sign * np.inf)
        best = choices[int(np.argmax(sign * np.array(scores)))]
        if say is not None:
            told = ", ".join(f"{_spoken(setting)}: {score:.1f}" for setting, score in zip(choices, scores, strict=True))
            say(f"{self.side}: chosen on held-out training labels: {_spoken(best)} ({told})")
        return best

    def trained(self, train: Source, setting: Setting, place: Path) -> tuple[Method, int, RunFolder | None]:
        """Return the trained method in eval mode, its number of steps, and the folder that it was trained in.

        Raises Stopped.
        """
        frozen = self.side == "frozen"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + 1)
            own = {name: value for name, value in setting.items() if name != "lr"}
            method = self.task.method(self._encoder(), frozen, **own)
        if frozen and self.task.solved(method, train, self.seed):
            return method.eval(), 0, None
        steps = self.plan.steps or self.task.steps(train)
        size = self.plan.batch_size or min(self.task.recipe.get("batch_size", Recipe.batch_size), len(train))
        recipe = Recipe(**self.task.recipe | {
            "lr": setting["lr"], "steps": steps * (self.plan.longer if self.side == "scratch" else 1),
            "batch_size": size, "seed": self.seed, "device": self.plan.device,
        })  # fmt: skip
        folder = RunFolder.create(place, {"recipe": recipe.as_dict()})
        result = fit.fit(method, train, recipe, folder)
        if result.interrupted is not None:
            raise Stopped(result.interrupted)
        return method.eval(), result.step, folder

    def _encoder(self) -> Encoder:
        """Return the trained encoder's copy, or one with random weights."""
        if self.side == "scratch":
            return fresh(self.run.encoder, self.seed)
        return copy.deepcopy(self.run.encoder)


def summary(task: Tuning, lines: Sequence[Line], parts: Parts | None = None) -> dict[str, Any]:
    """Return ``{"metrics", "rows": {labels: {side: {metric: {"mean", "spread"}, "seeds", "steps", "setting"}}}}``.

    "spread" is the standard deviation over seeds (with n - 1), None for one seed. Where there is something to say,
    "better" has the metrics that are no percentages, "beside" what answers without learning are worth on the test part
    of `parts`, and "signatures" how metrics were computed.
    """
    rows: dict[str, Any] = {}
    for budget in sorted({line["labels"] for line in lines}, key=_size):
        rows[budget] = {}
        for side in SIDES:
            mine = [line for line in lines if (line["labels"], line["side"]) == (budget, side)]
            if not mine:
                continue
            cell: dict[str, Any] = {}
            for metric in task.metrics:
                values = [line[metric] for line in mine]
                spread = round(float(np.std(values, ddof=1)), 2) if len(values) > 1 else None
                cell[metric] = {"mean": round(float(np.mean(values)), 2), "spread": spread}
            keys = {"seeds": len(mine), "steps": mine[0]["steps"], "setting": mine[0]["setting"]}
            rows[budget][side] = cell | keys | {"seconds": round(float(np.mean([line["seconds"] for line in mine])), 1)}
    found = {
        "better": {name: sign for name, sign in task.better.items() if name in task.metrics},
        "beside": {} if parts is None else task.beside(parts), "signatures": task.signatures(),
    }  # fmt: skip
    return {"metrics": list(task.metrics), "rows": rows} | {name: one for name, one in found.items() if one}


def table(found: Mapping[str, Any]) -> Table:
    """Return a summary as a table: a row for each share of the labels and each side, and what stands beside them."""
    rows: list[dict[str, Any]] = []
    named = {metric: metric if metric in found.get("better", {}) else f"{metric}, %" for metric in found["metrics"]}
    for budget, sides in found["rows"].items():
        for side, cell in sides.items():
            row: dict[str, Any] = {"labels": budget, "encoder": side}
            for metric in found["metrics"]:
                spread = cell[metric]["spread"]
                row[named[metric]] = f"{cell[metric]['mean']:.1f}" + ("" if spread is None else f" ± {spread:.1f}")
            rows.append(row | {"seeds": cell["seeds"], "steps": cell["steps"], "chosen": _spoken(cell["setting"])})
    for name, numbers in found.get("beside", {}).items():
        cells = {named[m]: f"{numbers[m]:.1f}" if m in numbers else "" for m in found["metrics"]}
        rows.append({"labels": "", "encoder": name, **cells, "seeds": "", "steps": "", "chosen": ""})
    return Table(rows, ("labels", "encoder", "chosen"))


def fingerprint(task: Tuning, parts: Parts, plan: Plan, encoder: Encoder) -> str:
    """Return a digest of all that the lines depend on, besides the task's options. More seeds give more lines."""
    planned = {name: value for name, value in plan.__dict__.items() if name != "seeds"}
    whole = hashlib.sha256(json.dumps([planned, parts.train.fingerprint, parts.test.fingerprint]).encode())
    for name, value in sorted(encoder.state_dict().items()):
        whole.update(name.encode() + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


def _spoken(setting: Setting) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in setting.items()) or "no setting"


def _named(budget: str) -> str:
    return "all labels" if budget == "all" else f"{budget} of the labels"


def _size(budget: str) -> tuple[int, float]:
    """Return what sorts shares of labels: numbers per class, then percentages, then all."""
    parsed: Budget = parse(budget)
    return (0, parsed) if isinstance(parsed, int) else (1, float(parsed.removesuffix("%")))
