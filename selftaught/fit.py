"""THE training loop. With `parts/gather`, the only place that touches torch.distributed.

One step of the clock: for each player's turns, a batch, `forward`, `backward`, an optimiser step; then `after_step`. The order of
samples and every random number are pure functions of the seed and the step, so a run that is stopped anywhere and resumed ends with
the same bits as one that never stopped.
"""

from __future__ import annotations

import copy
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Protocol, final

import numpy as np
import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from selftaught import checkpoint, optimizer
from selftaught.device import autocast, join_ranks, pick_device, reseed
from selftaught.errors import UserError
from selftaught.loader import Loader
from selftaught.meter import Meter, is_scalar
from selftaught.method import Batch, Clock, Compiled, Embed, Index, Method, Outputs, Player, Source, Views, outside
from selftaught.parts import gather, norm
from selftaught.parts.packed import Parts, packed
from selftaught.recipe import Recipe
from selftaught.run import Interrupts, RunFolder, to_json, write_atomically

DEFAULT_MINUTES = 1.5
"""How long to train when neither steps, epochs nor minutes were asked for."""


class Observer(Protocol):
    """What watches a run (progress, online kNN, collapse warnings). It must leave the method and its state as they are."""

    def step(self, clock: Clock, method: Method, scalars: dict[str, float]) -> dict[str, Any] | None:
        """Called on rank 0 after every step. What it returns joins the log.

        `scalars` is empty but on steps that are logged, and holds what the observers before this one returned.
        """

    def finish(self) -> None:
        """Called once, when training ends for whatever reason."""


@dataclass(frozen=True)
class Result:
    """How a call of `fit` went. `interrupted` is the signal's number when one ended it before its last step."""

    step: int
    steps: int
    seconds: float
    samples_per_second: float
    interrupted: int | None = None


class NonFiniteLoss(ArithmeticError):
    """The loss (or the gradient norm, when gradients are clipped) stopped being a number. Nothing was updated."""


def fit(
    method: Method, source: Source, recipe: Recipe, run: RunFolder, observers: Sequence[Observer] = (), resume: bool = False
) -> Result:
    """Train `method` on `source` and leave checkpoints, metrics.jsonl and method.safetensors in `run`.

    Raises UserError for data, batch or run that cannot serve, and NonFiniteLoss before an update that would destroy the weights.
    """
    device = torch.device("cpu") if isinstance(method, Compiled) else pick_device(recipe.device)
    join_ranks(device)
    with ExitStack() as stack:
        if gather.rank() == 0:
            stack.enter_context(run.lock())
        source = method.views.bind(source)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # what a method draws for its memories depends on nothing else
            method.prepare(source)
        interrupts = stack.enter_context(Interrupts())
        loop = _Loop(method, source, recipe, run, device)
        stack.callback(loop.loader.close)
        return loop.train(observers, interrupts, resume)


@final
class _Loop:
    def __init__(self, method: Method, source: Source, recipe: Recipe, run: RunFolder, device: torch.device) -> None:
        world = gather.world()
        groups = recipe.batch_norm_groups or world
        self.compiled = method if isinstance(method, Compiled) else None
        if self.compiled is None:
            _check_batch(recipe, len(source), world, groups)
        elif world > 1:
            raise UserError(f"{type(method).__name__} runs in one process, with threads: start it without torchrun")
        self.method = method.to(device).train()
        self.recipe, self.run, self.device = recipe, run, device
        norm.set_groups(method, groups // world)
        players = method.players() if self.compiled is None else []
        self.players = [p._replace(groups=[g | {"params": list(g["params"])} for g in p.groups]) for p in players]
        self.turns = sum(p.turns for p in self.players)
        self.loader = Loader(source, method.views, recipe, device)
        self.source = source
        self.trainable = {p: p.requires_grad for p in method.parameters()}
        self.outside = outside(method, run.path / "banks")
        self.model: nn.Module = method
        if world > 1:
            warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
            # Buffers are kept equal by gathering and by averaging running statistics; players leave others' parameters unused.
            self.model = DistributedDataParallel(method, forward_sync_buffers=False, find_unused_parameters=True)
        self.autocast = autocast(recipe, device)
        self.restart(Clock(recipe.seed))

    def restart(self, clock: Clock) -> None:
        """Start from `clock` with fresh optimisers."""
        self.clock = clock
        self.optimizers = {p.name: optimizer.build(p, self.recipe) for p in self.players}
        self.meter = Meter()
        self.samples = 0.0  # of the method's unit, that this process trained on

    # --- one step -----------------------------------------------------------------------------------------------------

    def step(self, batches: Iterator[Any]) -> None:
        """One step of the clock. Raises NonFiniteLoss."""
        if self.compiled is not None:
            self._advance(self.compiled, next(batches))
        else:
            self._descend(batches)
            self.samples += self.recipe.batch_size * self.turns
        self.clock.step += 1

    def _advance(self, method: Compiled, start: int) -> None:
        """A slice of the method's own compiled loop."""
        rate = self.recipe.lr * self.recipe.factor((self.clock.step + 0.5) / self.clock.steps)
        outputs = method.advance(self.clock, rate, start)
        self.samples += outputs.pop(self.method.unit)
        if not math.isfinite(outputs["loss"]):
            raise NonFiniteLoss(f"the loss is not finite at step {self.clock.step}; {self._last_good()}: lower --lr")
        self.meter.add(outputs | {"lr": rate})

    def _descend(self, batches: Iterator[Batch]) -> None:
        """Every player's turns, then the state changes. Raises NonFiniteLoss before the update that the loss would spoil."""
        merged: Outputs = {}
        for number, player in enumerate(self.players):
            self._give_floor(player)
            for turn in range(player.turns):
                merged |= self._turn(player, number, turn, batches)
        with torch.no_grad():
            if gather.world() > 1:
                norm.average_running_statistics(self.method)
            self.method.after_step(self.clock, merged)

    def _give_floor(self, player: Player) -> None:
        """In a game, only the mover's parameters want gradients."""
        if len(self.players) > 1:
            mine = {p for g in player.groups for p in g["params"]}
            for p, wanted in self.trainable.items():
                p.requires_grad_(wanted and p in mine)

    def _turn(self, player: Player, number: int, turn: int, batches: Iterator[Batch]) -> Outputs:
        if player.name in self.clock.resets:
            self.clock.resets.discard(player.name)
            self.optimizers[player.name] = optimizer.build(player, self.recipe)
        opt = self.optimizers[player.name]
        opt.zero_grad(set_to_none=True)
        micro: list[Outputs] = []
        for m in range(self.recipe.accumulate):
            reseed(self.recipe.seed, self.clock.step, gather.rank(), number, turn, m, device=self.device)
            batch = next(batches)
            with self._sync(m), self.autocast():
                outputs: Outputs = self.model(player=player.name, clock=self.clock, **batch)
                loss: Tensor = outputs["loss"]
                (loss if self.recipe.accumulate == 1 else loss / self.recipe.accumulate).backward()
            micro.append(outputs)
        outputs = _join(micro)
        value = float(outputs["loss"] if gather.world() == 1 else gather.average(outputs["loss"].float().clone()))
        if not math.isfinite(value):
            self._refuse("loss", player)
        if self.recipe.clip:
            params = [p for g in player.groups for p in g["params"] if p.grad is not None]
            if not math.isfinite(float(nn.utils.clip_grad_norm_(params, self.recipe.clip))):
                self._refuse("gradient norm", player)
        rate = optimizer.set_rates(opt, self.recipe, (self.clock.step + 0.5) / self.clock.steps)
        opt.step()
        prefix = "" if number == 0 else f"{player.name}/"
        scalars = outputs | ({"loss": value} if prefix else {"loss": value, "lr": rate})
        self.meter.add({prefix + k: v for k, v in scalars.items()} if prefix else scalars)
        return outputs

    def _sync(self, micro: int) -> AbstractContextManager[Any]:
        last = micro == self.recipe.accumulate - 1
        return nullcontext() if last or not isinstance(self.model, DistributedDataParallel) else self.model.no_sync()

    def _refuse(self, what: str, player: Player) -> None:
        raise NonFiniteLoss(
            f"the {what} of player '{player.name}' is not finite at step {self.clock.step}, so nothing was updated; "
            f"{self._last_good()}: lower --lr, clip gradients (--clip 1) or lengthen --warmup"
        )

    def _last_good(self) -> str:
        last = checkpoint.newest(self.run)
        return f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"

    # --- the whole run ------------------------------------------------------------------------------------------------

    def epoch(self, start: int = 0) -> tuple[int, Iterator[Any]]:
        """Steps in the clock's epoch, and what they are given, from step `start` on. What is less than a step is dropped."""
        if self.compiled is not None:
            count = self.compiled.steps_in_epoch()
            return count, iter(range(start, count))
        order = np.asarray(self.method.order(self.clock.epoch, self.recipe.seed, len(self.source)), dtype=np.int64)
        return self._steps(order), self.loader.epoch(order, self.clock.epoch, start * self.turns)

    def _steps(self, order: Index) -> int:
        steps = len(order) // (self.recipe.batch_size * self.turns)
        if steps == 0:
            raise UserError(
                f"one step needs {self.turns} batches of {self.recipe.batch_size}, an epoch has only {len(order)} samples: "
                "use a smaller --batch-size"
            )
        return steps

    def train(self, observers: Sequence[Observer], interrupts: Interrupts, resume: bool) -> Result:
        """From the newest checkpoint (or from nothing) to the last step, or to an interrupt."""
        start = 0  # steps into the epoch
        saved = checkpoint.load(self.run) if resume else None
        if saved is not None:
            start = self._load(saved)
        else:
            if gather.rank() == 0:
                self.run.truncate_metrics(0)  # of a process that was killed before its first checkpoint
            self.clock.steps = self._length()
        log = self._logger(observers)
        began = saved_at = time.perf_counter()
        stop: int | None = None
        while self.clock.step < self.clock.steps and stop is None:
            if start == 0:
                self.method.before_epoch(self.clock, self.embed())
            count, batches = self.epoch(start)
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
        return Result(self.clock.step, self.clock.steps, seconds, self.samples / max(seconds, 1e-9), None if finished else stop)

    def _logger(self, observers: Sequence[Observer]) -> Callable[[float], None]:
        every, last = self.recipe.log_every, (0.0, self.clock.step, self.samples)

        def log(elapsed: float) -> None:
            nonlocal last
            logged = self.clock.step % every == 0 or self.clock.step == self.clock.steps
            line: dict[str, Any] = {}
            if logged:
                line = self.meter.means(self.device)
                seconds, steps = max(elapsed - last[0], 1e-9), self.clock.step - last[1]
                line[f"{self.method.unit}_per_second"] = (self.samples - last[2]) / seconds
                line["seconds_left"] = (self.clock.steps - self.clock.step) * seconds / max(steps, 1)
                last = (elapsed, self.clock.step, self.samples)
            if gather.rank() != 0:
                return
            seen: dict[str, Any] = {}
            for observer in observers:
                seen |= observer.step(self.clock, self.method, line | seen) or {}
            if seen:  # somebody looked, perhaps in eval mode
                self.method.train()
            if logged or seen:
                self.run.log({"step": self.clock.step, "epoch": self.clock.epoch, **line, **seen})

        return log

    def _due(self, since: float) -> bool:
        every = self.recipe.checkpoint_every
        return self.clock.step % every == 0 if every else since > 60

    def _agree(self, signal: int | None, due: bool) -> tuple[int | None, bool]:
        """All ranks stop and save at the same step: any rank's signal stops all, rank 0's clock decides when to save."""
        if gather.world() == 1:
            return signal, due
        flags = torch.tensor([signal or 0, int(due and gather.rank() == 0)], device=self.device)
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        number, save = flags.tolist()
        return number or None, bool(save)

    def embed(self) -> Embed:
        """What `before_epoch` gets: features of the whole bound source, every rank doing its share."""

        @torch.no_grad()
        def embed(views: Views, layer: int | None = None) -> Tensor:
            encoder = self.method.encoder
            training = encoder.training
            encoder.eval()
            n, world = len(self.source), gather.world()
            share = -(-n // world)
            mine = np.arange(gather.rank() * share, (gather.rank() + 1) * share) % n  # the last share wraps to equal length
            rows = []
            for part in np.array_split(mine, max(1, -(-share // 512))):
                params = views.sample(part, self.clock.epoch, self.recipe.seed)
                x = views.apply(self.source.fetch(part), params, self.device)["image"]
                rows.append(encoder(x) if layer is None else encoder.layers(x)[layer].flatten(1))
            encoder.train(training)
            return gather.gather(torch.cat(rows))[:n]

        return embed

    # --- length -------------------------------------------------------------------------------------------------------

    def _length(self) -> int:
        """Steps of a fresh run. Minutes are turned into steps once, here, and recorded, so that a resumed run has the same end."""
        recipe = self.recipe
        if recipe.steps is not None:
            return recipe.steps
        if recipe.epochs is not None and self.compiled is not None:  # nothing to measure, and large tables to spare a copy of
            return max(1, round(recipe.epochs * self.compiled.steps_in_epoch()))
        with self._borrowed():
            began = time.perf_counter()
            self.method.before_epoch(self.clock, self.embed())
            prelude = time.perf_counter() - began
            count, batches = self.epoch()
            if recipe.epochs is not None:
                return max(1, round(recipe.epochs * count))
            seconds = 60 * (recipe.minutes or DEFAULT_MINUTES)
            per_step = self._time_steps(batches, count, min(5.0, 0.1 * seconds)) + prelude / count
        steps = int(gather.from_first(max(1, round(seconds / per_step))))
        if gather.rank() == 0:
            chosen = replace(recipe, minutes=None, steps=steps).as_dict() | {"chosen_for_minutes": seconds / 60}
            self.run.write_config({**self.run.config, "recipe": chosen})
        return steps

    @contextmanager
    def _borrowed(self) -> Iterator[None]:
        """Whatever happens inside, training starts from the state of before."""
        before = copy.deepcopy(self.method.state_dict())
        self.clock.steps = 2**31
        yield
        self.method.load_state_dict(before)
        self.method.zero_grad(set_to_none=True)
        self.restart(Clock(self.recipe.seed))

    def _time_steps(self, batches: Iterator[Any], count: int, budget: float) -> float:
        """Seconds a step: the median, which a busy moment does not move, after the first few, which compile kernels and fill caches."""
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
        """Write a checkpoint; `start` = steps into the current epoch. Any rank's failure is every rank's."""
        if gather.rank() == 0:
            tensors = {k: v for name, opt in self.optimizers.items() for k, v in optimizer.pack(opt, name).items()}
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
                "optimizer.safetensors": packed(tensors),
                "state.json": to_json(state),
            }
            for module in self.outside:
                module.saving(self.clock.step, checkpoint.steps(self.run))
            checkpoint.write(self.run, self.clock.step, files, self.meter.loss, self.recipe.keep)
        gather.barrier()

    def _load(self, saved: checkpoint.Checkpoint) -> int:
        """Go back to a checkpoint; returns the number of steps that were taken in its epoch."""
        for reason in saved.damaged:
            warnings.warn(f"a damaged checkpoint was passed over: {reason}; going on from step {saved.step}", stacklevel=2)
        state = json.loads(saved.files["state.json"])
        if state["source"] != self.source.fingerprint:
            raise UserError(f"the data is not what the run {self.run.path} was started on: resume with the same data, or start a new run")
        self.method.load_state_dict(safetensors.torch.load(saved.files["method.safetensors"]))
        clock = Clock(self.recipe.seed, state["steps"])
        clock.step, clock.epoch, clock.resets = state["step"], state["epoch"], set(state["resets"])
        self.restart(clock)
        tensors = safetensors.torch.load(saved.files["optimizer.safetensors"])
        for name, opt in self.optimizers.items():
            optimizer.unpack(opt, tensors, name)
        self.meter.restore(state["meter"])
        if gather.rank() == 0:
            self.run.truncate_metrics(state["metrics"])
        return int(state["start"])


def _check_batch(recipe: Recipe, n: int, world: int, groups: int) -> None:
    if recipe.batch_size > n:
        raise UserError(f"the batch of {recipe.batch_size} is larger than the data set of {n} samples: use a smaller --batch-size")
    if recipe.batch_size % (recipe.accumulate * world):
        raise UserError(f"batch_size {recipe.batch_size} cannot be split over {world} ranks and {recipe.accumulate} micro-batches")
    if groups % world or (recipe.batch_size // recipe.accumulate) % groups:
        raise UserError(f"batch_norm_groups {groups} must be a multiple of the {world} ranks and divide the micro-batch evenly")


def _join(micro: list[Outputs]) -> Outputs:
    """One step's outputs from its micro-batches': scalars averaged, tensors joined along the batch axis, all without gradients."""
    if len(micro) == 1:
        return {k: v.detach() if isinstance(v, Tensor) else v for k, v in micro[0].items()}
    joined: Outputs = {}
    for k in micro[0]:
        values = [o[k].detach() if isinstance(o[k], Tensor) else o[k] for o in micro]
        if is_scalar(values[0]):
            joined[k] = sum(values) / len(values)
        else:
            joined[k] = torch.cat(values) if isinstance(values[0], Tensor) else values
    return joined
