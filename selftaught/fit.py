"""The training loop: clock, log, checkpoints and length. `steps/` defines how a step is made.

The order of samples and every random number are pure functions of the seed and the step, so a run that is stopped
anywhere and resumed ends with the same bits as a run without a stop. Only this module, `device`, `steps/descent` and
`parts/gather` use torch.distributed.
"""

from __future__ import annotations

import copy
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol, final

import numpy as np
import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor

from selftaught import checkpoint, steps
from selftaught.device import join_ranks
from selftaught.errors import UserError
from selftaught.meter import Meter
from selftaught.method import Clock, Embed, Index, Method, Planned, Source, Views, given, outside
from selftaught.parts import gather, norm
from selftaught.parts.packed import Parts, packed
from selftaught.recipe import Recipe
from selftaught.run import Interrupts, RunFolder, to_json, write_atomically
from selftaught.steps import NonFiniteLoss, Stepper

__all__ = ["DEFAULT_MINUTES", "NonFiniteLoss", "Observer", "Result", "fit"]

DEFAULT_MINUTES = 1.5
"""Length of training if neither steps, epochs nor minutes are given."""

MEASURED = 4096
"""Number of samples by which the statistics of a new batch norm are measured before the first epoch."""


class Observer(Protocol):
    """Watches a run (progress, online kNN, collapse warnings).

    It must not change the method or its state.
    """

    def step(self, clock: Clock, method: Method, scalars: dict[str, float]) -> dict[str, Any] | None:
        """Called on rank 0 after every step. The returned values are added to the log.

        `scalars` is empty except on logged steps, and includes the values of the observers before this one.
        """

    def finish(self) -> None:
        """Called once, when training ends for whatever reason."""


@dataclass(frozen=True)
class Result:
    """The result of a call of `fit`. `interrupted` is the number of the signal that ended it before its last step."""

    step: int
    steps: int
    seconds: float
    samples_per_second: float
    interrupted: int | None = None


def fit(
    method: Method,
    source: Source,
    recipe: Recipe,
    run: RunFolder,
    observers: Sequence[Observer] = (),
    resume: bool = False,
    more: Recipe | None = None,
    check: Callable[[Planned], None] | None = None,
) -> Result:
    """Train `method` on `source` and write checkpoints, metrics.jsonl and method.safetensors to `run`.

    What the machine, the ranks and the data made of the settings is written to the block "resolved" of config.yaml.

    Args:
        method: Unprepared.
        source: The data, before the views bind them.
        recipe: The settings. On resume, those that were resolved when the run started.
        run: The run folder.
        observers: Watch the run.
        resume: Continue from the newest checkpoint.
        more: On resume, its steps, epochs or minutes come on top of the planned ones. The schedule is then that of a
            run of the new length, from the step that was reached.
        check: Called with the length of a new run before its first step; what it raises ends the run.

    Raises UserError if the data, the batch size or the run is not suitable, and NonFiniteLoss before an update that
    would destroy the weights.
    """
    stepper = steps.find(method.stepper)
    device = stepper.place(recipe)
    join_ranks(device)
    with ExitStack() as stack:
        if gather.rank() == 0:
            stack.enter_context(run.lock())
        fingerprint, source = source.fingerprint, method.views.bind(source)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # the initial values of a method's memories depend on nothing else
            method.prepare(source)
        interrupts = stack.enter_context(Interrupts())
        method = method.to(device).train()
        loop = _Loop(method, source, recipe, run, device, stepper(method, source, recipe, device), fingerprint)
        stack.callback(loop.stepper.close)
        return loop.train(observers, interrupts, resume, more, check)


@final
class _Embedded:
    """`Embed` of a loop's method and source, as they are."""

    def __init__(self, loop: _Loop) -> None:
        self.loop, self.source, self.encoder = loop, loop.source, loop.method.encoder

    def __call__(self, views: Views, layer: int | None = None, index: Index | None = None) -> Tensor:
        """Every rank's features, in the order of `index`, by default that of the data set."""
        wanted = np.arange(len(self.source)) if index is None else index
        return gather.gather(torch.cat([rows for _, rows in self._mine(views, layer, wanted)]))[: len(wanted)]

    def parts(self, views: Views, layer: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """The features of as many samples from every rank."""
        for index, rows in self._mine(views, layer, np.arange(len(self.source))):
            yield gather.gather(torch.from_numpy(index).to(rows.device)), gather.gather(rows)

    @torch.no_grad()
    def _mine(self, views: Views, layer: int | None, wanted: Index) -> Iterator[tuple[Index, Tensor]]:
        """This rank's share."""
        n, world = len(wanted), gather.world()
        share = -(-n // world)
        # the last share wraps around to equal length
        mine = wanted[np.arange(gather.rank() * share, (gather.rank() + 1) * share) % n]
        encoder, training = self.encoder, self.encoder.training
        with norm.measured(encoder, lambda: self._show(views, layer)):
            encoder.eval()
            for part in np.array_split(mine, max(1, -(-share // 512))):
                yield part, self._features(views, part, layer)
        encoder.train(training)

    def _show(self, views: Views, layer: int | None) -> None:
        """Show some of the data to batch norm, in random order: neighbours in a data set are often of one class."""
        n, recipe = len(self.source), self.loop.recipe
        size = min(recipe.batch_size, n)
        order = np.random.Generator(np.random.Philox(key=[recipe.seed, 0], counter=[0, 0, 0, 0xB4])).permutation(n)
        for first in range(0, min(n - size + 1, MEASURED), size):
            part = np.array_split(order[first : first + size], gather.world())[gather.rank()]
            self._features(views, part, layer)

    def _features(self, views: Views, part: Index, layer: int | None) -> Tensor:
        params = views.sample(part, self.loop.clock.epoch, self.loop.recipe.seed)
        x, masks = given(views.apply(self.source.fetch(part), params, self.loop.device))
        features: Tensor = (
            self.encoder(x, **masks) if layer is None else self.encoder.layers(x, **masks)[layer].flatten(1)
        )
        return features


@final
class _Loop:
    def __init__(
        self,
        method: Method,
        source: Source,
        recipe: Recipe,
        run: RunFolder,
        device: torch.device,
        stepper: Stepper,
        fingerprint: str,
    ) -> None:
        self.fingerprint = fingerprint  # of the data, which one of windows of text does not show
        self.method, self.source, self.recipe, self.run, self.device = method, source, recipe, run, device
        self.stepper = stepper
        self.speed = f"{method.unit or source.samples}_per_second"
        self.outside = outside(method, run.path / "banks")
        self.clock, self.meter = Clock(recipe.seed), Meter()

    def restart(self, clock: Clock) -> None:
        """Start from `clock` with fresh optimisers."""
        self.clock, self.meter = clock, Meter()
        self.stepper.restart()

    def step(self, batches: Iterator[Any]) -> None:
        """Make one step of the clock. Raises NonFiniteLoss."""
        try:
            self.stepper.step(self.clock, self.meter, batches)
        except NonFiniteLoss as error:
            last = checkpoint.newest(self.run)
            kept = f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
            raise NonFiniteLoss(f"{error.what}; {kept}", error.advice) from error
        self.clock.step += 1

    # --- the whole run ------------------------------------------------------------------------------------------------

    def train(
        self,
        observers: Sequence[Observer],
        interrupts: Interrupts,
        resume: bool,
        more: Recipe | None,
        check: Callable[[Planned], None] | None,
    ) -> Result:
        """Train from the newest checkpoint (or from the start) to the last step, or to an interrupt."""
        start = 0  # steps into the epoch
        resolved: dict[str, Any] = gather.from_first(self.run.resolved if resume else {})
        if resolved.get("data.fingerprint", self.fingerprint) != self.fingerprint:
            raise self._other_data()
        saved = checkpoint.load(self.run) if resume else None
        if saved is not None:
            start = self._load(saved)
        else:
            if gather.rank() == 0:
                self.run.truncate_metrics(0)  # left by a process that was killed before its first checkpoint
            self.clock.steps = 0 if "steps" in resolved else self._length()
        self.clock.steps = resolved.get("steps", self.clock.steps)
        if more is not None:
            self.clock.steps += self._more(more)
        self._record(resolved)
        log = self._logger(observers)
        began = saved_at = time.perf_counter()
        stop: int | None = None
        while self.clock.step < self.clock.steps and stop is None:
            if start == 0:
                self.method.before_epoch(self.clock, self.embed())
            count, batches = self.stepper.epoch(self.clock, start)
            if check is not None and not resume and self.clock.step == 0:
                steps = self.clock.steps
                check(Planned(steps, steps / count, steps * self.recipe.batch_size))
            for done in range(start, count):
                self.step(batches)
                log(time.perf_counter() - began)
                due = self._due(time.perf_counter() - saved_at)
                stop, due = self._agree(interrupts.signal, due)
                over = self.clock.step >= self.clock.steps
                if done + 1 == count:
                    self.clock.epoch += 1
                if due or over or stop is not None:
                    self._save((done + 1) % count)
                    saved_at = time.perf_counter()
                if over or stop is not None:
                    break
            start = 0
        seconds = time.perf_counter() - began
        for observer in observers if gather.rank() == 0 else ():
            observer.finish()
        finished = self.clock.step >= self.clock.steps
        if finished and gather.rank() == 0:
            write_atomically(self.run.path / "method.safetensors", packed(self.method.state_dict()))
        gather.barrier()
        return Result(
            self.clock.step,
            self.clock.steps,
            seconds,
            self.stepper.samples / max(seconds, 1e-9),
            None if finished else stop,
        )

    def _logger(self, observers: Sequence[Observer]) -> Callable[[float], None]:
        every, last = self.recipe.log_every, (0.0, self.clock.step, self.stepper.samples)

        def log(elapsed: float) -> None:
            nonlocal last
            logged = self.clock.step % every == 0 or self.clock.step == self.clock.steps
            line: dict[str, Any] = {}
            if logged:
                line = self.meter.means(self.device)
                seconds, steps = max(elapsed - last[0], 1e-9), self.clock.step - last[1]
                line[self.speed] = (self.stepper.samples - last[2]) / seconds
                line["seconds_left"] = (self.clock.steps - self.clock.step) * seconds / max(steps, 1)
                last = (elapsed, self.clock.step, self.stepper.samples)
            if gather.rank() != 0:
                return
            seen: dict[str, Any] = {}
            for observer in observers:
                seen |= observer.step(self.clock, self.method, line | seen) or {}
            if seen:  # an observer may have left it in eval mode
                self.method.train()
            if logged or seen:
                self.run.log({"step": self.clock.step, "epoch": self.clock.epoch, **line, **seen})

        return log

    def _due(self, since: float) -> bool:
        every = self.recipe.checkpoint_every
        return self.clock.step % every == 0 if every else since > 60

    def _agree(self, signal: int | None, due: bool) -> tuple[int | None, bool]:
        """Make all ranks stop and save at the same step.

        A signal on any rank stops all of them, and the clock of rank 0 decides when to save.
        """
        if gather.world() == 1:
            return signal, due
        flags = torch.tensor([signal or 0, int(due and gather.rank() == 0)], device=self.device)
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        number, save = flags.tolist()
        return number or None, bool(save)

    def embed(self) -> Embed:
        """Embed the bound source, or some of its samples, for `before_epoch`, with a share for every rank."""
        return _Embedded(self)

    # --- length -------------------------------------------------------------------------------------------------------

    def _length(self) -> int:
        """Return the steps of a new run. Minutes are converted once and recorded, so that a resumed run ends alike."""
        recipe = self.recipe
        if recipe.steps is not None:
            return recipe.steps
        known = self.stepper.steps_in_epoch()
        if recipe.epochs is not None and known is not None:
            return max(1, round(recipe.epochs * known))
        with self._borrowed():
            began = time.perf_counter()
            self.method.before_epoch(self.clock, self.embed())
            prelude = time.perf_counter() - began
            count, batches = self.stepper.epoch(self.clock)
            if recipe.epochs is not None:
                return max(1, round(recipe.epochs * count))
            seconds = 60 * (recipe.minutes or DEFAULT_MINUTES)
            per_step = self._time_steps(batches, count, min(5.0, 0.1 * seconds)) + prelude / count
        chosen = int(gather.from_first(max(1, round(seconds / per_step))))
        if gather.rank() == 0:
            told = {"minutes": None, "steps": chosen, "chosen_for_minutes": seconds / 60}
            self.run.write_config({**self.run.config, "recipe": self.run.config.get("recipe", {}) | told})
        return chosen

    def _more(self, more: Recipe) -> int:
        """Return the steps of a continuation: epochs by the method's next one, minutes by the speed so far."""
        if more.steps is not None:
            return more.steps
        if more.epochs is not None:
            return max(1, round(more.epochs * (self.stepper.steps_in_epoch() or self.stepper.epoch(self.clock)[0])))
        summary = self.run.summary
        if not (summary.get("seconds") and summary.get("steps")):
            raise UserError(f"the speed of {self.run.path} is not known yet: give steps or epochs instead of minutes")
        seconds = 60 * (more.minutes or DEFAULT_MINUTES)
        return max(1, int(seconds * summary["steps"] / summary["seconds"]))

    def _record(self, resolved: dict[str, Any]) -> None:
        """Write to config.yaml what became of the settings that the machine, the ranks or the data decide."""
        found: dict[str, Any] = {"device": str(self.device), "ranks": gather.world()}
        found |= {f"recipe.{key}": value for key, value in self.stepper.resolved().items()}
        found |= {f"method.{key}": value for key, value in self.method.resolved().items()}
        config = self.run.config | {
            "resolved": found | {"data.fingerprint": self.fingerprint} | resolved | {"steps": self.clock.steps}
        }
        if gather.rank() == 0 and config != RunFolder.open(self.run.path).config:
            self.run.write_config(config)

    @contextmanager
    def _borrowed(self) -> Iterator[None]:
        """Restore the state after the block, so that training starts from the state before it."""
        before = copy.deepcopy(self.method.state_dict())
        self.clock.steps = 2**31
        yield
        self.method.load_state_dict(before)
        self.method.zero_grad(set_to_none=True)
        self.restart(Clock(self.recipe.seed))

    def _time_steps(self, batches: Iterator[Any], count: int, budget: float) -> float:
        """Return the median seconds per step, without the first few steps, which compile kernels and fill caches."""
        warm, seconds = min(3, count - 1), []
        for i in range(count):
            began = time.perf_counter()
            self.step(batches)
            if i >= warm:
                seconds.append(time.perf_counter() - began)
                _, over = self._agree(None, sum(seconds) > budget)
                if over:
                    break
        return median(seconds)

    # --- saving and loading -------------------------------------------------------------------------------------------

    def _save(self, start: int) -> None:
        """Write a checkpoint; `start` = steps into the current epoch. A failure on any rank raises on every rank."""
        if gather.rank() == 0:
            state = {
                "step": self.clock.step,
                "steps": self.clock.steps,
                "epoch": self.clock.epoch,
                "start": start,
                "resets": sorted(self.clock.resets),
                "meter": self.meter.state(),
                "metrics": self.run.metrics_size(),
                "source": self.source.fingerprint,
            }
            files: dict[str, bytes | Parts] = {
                "method.safetensors": packed(self.method.state_dict()),
                "optimizer.safetensors": packed(self.stepper.state()),
                "state.json": to_json(state),
            }
            for module in self.outside:
                module.saving(self.clock.step, checkpoint.steps(self.run))
            checkpoint.write(self.run, self.clock.step, files, self.meter.loss, self.recipe.keep)
        gather.barrier()

    def _other_data(self) -> UserError:
        return UserError(
            f"this is not the data that {self.run.path} was started with: resume with the same data (--data names "
            "their new place), or start a new run"
        )

    def _load(self, saved: checkpoint.Checkpoint) -> int:
        """Restore a checkpoint and return the number of steps made in its epoch."""
        for reason in saved.damaged:
            warnings.warn(
                f"a damaged checkpoint was skipped: {reason}; continuing from step {saved.step}", stacklevel=2
            )
        state = json.loads(saved.files["state.json"])
        if state["source"] != self.source.fingerprint:
            raise self._other_data()
        self.method.load_state_dict(safetensors.torch.load(saved.files["method.safetensors"]))
        clock = Clock(self.recipe.seed, state["steps"])
        clock.step, clock.epoch, clock.resets = state["step"], state["epoch"], set(state["resets"])
        self.restart(clock)
        self.stepper.load(safetensors.torch.load(saved.files["optimizer.safetensors"]))
        self.meter.restore(state["meter"])
        if gather.rank() == 0:
            self.run.truncate_metrics(state["metrics"])
        return int(state["start"])
