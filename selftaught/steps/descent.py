"""Gradient descent: for each player's turns a batch, `forward`, `backward`, an optimiser step; then `after_step`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from selftaught import optimizer
from selftaught.device import autocast, pick_device, precision, reseed
from selftaught.errors import UserError
from selftaught.loader import Loader
from selftaught.meter import Meter, is_scalar
from selftaught.method import Batch, Clock, Index, Method, Outputs, Player
from selftaught.parts import gather, norm
from selftaught.recipe import Recipe
from selftaught.source import Source
from selftaught.steps import Stepper, refuse

READS = (
    "batch_size",
    "accumulate",
    "optimizer",
    "lr",
    "momentum",
    "nesterov",
    "betas",
    "weight_decay",
    "decay_norm_and_bias",
    "schedule",
    "warmup",
    "milestones",
    "gamma",
    "final_lr",
    "clip",
    "clip_each",
    "precision",
    "batch_norm_groups",
    "workers",
)


@final
class Descent(Stepper):
    """One step is every player's turns on fresh batches, then the method's state changes."""

    def __init__(self, method: Method, source: Source, recipe: Recipe, device: torch.device) -> None:
        world = gather.world()
        groups = recipe.batch_norm_groups or world
        _check_batch(method, recipe, len(source), world, groups)
        self.method, self.source, self.recipe, self.device = method, source, recipe, device
        norm.set_groups(method, groups, world)
        self.players = [
            p._replace(groups=[g | {"params": list(g["params"])} for g in p.groups]) for p in method.players()
        ]
        self.turns = sum(p.turns for p in self.players)
        self.loader = Loader(source, method.views, recipe, device)
        self.trainable = {p: p.requires_grad for p in method.parameters()}
        self.model: nn.Module = method
        if world > 1:
            warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
            # Buffers are kept equal by gathering and by averaging running statistics; players leave others' parameters
            # unused.
            self.model = DistributedDataParallel(method, forward_sync_buffers=False, find_unused_parameters=True)
        self.autocast = autocast(recipe, device)
        self.groups = groups
        self.restart()

    @classmethod
    def place(cls, recipe: Recipe) -> torch.device:
        """The recipe's device."""
        return pick_device(recipe.device)

    def resolved(self) -> dict[str, Any]:
        """The groups of batch norm, the precision and the number of workers."""
        return {
            "batch_norm_groups": self.groups,
            "precision": precision(self.recipe, self.device),
            "workers": self.loader.workers,
        }

    def restart(self) -> None:
        """Fresh optimisers."""
        self.optimizers = {p.name: optimizer.build(p, self.recipe) for p in self.players}
        self.samples = 0.0

    def epoch(self, clock: Clock, start: int = 0) -> tuple[int, Iterator[Any]]:
        """Batches in the method's order."""
        order = np.asarray(self.method.order(clock.epoch, self.recipe.seed, len(self.source)), dtype=np.int64)
        return self._count(order), self.loader.epoch(order, clock.epoch, start * self.turns)

    def _count(self, order: Index) -> int:
        steps = len(order) // (self.recipe.batch_size * self.turns)
        if steps == 0:
            raise UserError(
                f"one step needs {self.turns} batches of {self.recipe.batch_size}, an epoch has only {len(order)} "
                "samples: "
                "use a smaller --batch-size"
            )
        return steps

    def step(self, clock: Clock, meter: Meter, batches: Iterator[Batch]) -> None:
        """Every player's turns, then the state changes."""
        merged: Outputs = {}
        for number, player in enumerate(self.players):
            self._give_floor(player)
            for turn in range(player.turns):
                merged |= self._turn(clock, meter, player, number, turn, batches)
        with torch.no_grad():
            if gather.world() > 1:
                norm.average_running_statistics(self.method)
            self.method.after_step(clock, merged)
        self.samples += self.recipe.batch_size * self.turns

    def _give_floor(self, player: Player) -> None:
        """In a game, only the mover's parameters want gradients."""
        if len(self.players) > 1:
            mine = {p for g in player.groups for p in g["params"]}
            for p, wanted in self.trainable.items():
                p.requires_grad_(wanted and p in mine)

    def _turn(
        self, clock: Clock, meter: Meter, player: Player, number: int, turn: int, batches: Iterator[Batch]
    ) -> Outputs:
        if player.name in clock.resets:
            clock.resets.discard(player.name)
            self.optimizers[player.name] = optimizer.build(player, self.recipe)
        opt = self.optimizers[player.name]
        opt.zero_grad(set_to_none=True)
        micro: list[Outputs] = []
        for m in range(self.recipe.accumulate):
            reseed(self.recipe.seed, clock.step, gather.rank(), number, turn, m, device=self.device)
            batch = next(batches)
            with self._sync(m), self.autocast():
                outputs = self._forward(player=player.name, clock=clock, **batch)
                loss: Tensor = outputs["loss"]
                (loss if self.recipe.accumulate == 1 else loss / self.recipe.accumulate).backward()
            micro.append(outputs)
        outputs = _join(micro)
        value = float(outputs["loss"] if gather.world() == 1 else gather.average(outputs["loss"].float().clone()))
        if not math.isfinite(value):
            refuse("loss", player, clock)
        if not optimizer.clip(player, self.recipe):
            refuse("gradient norm", player, clock)
        rate = optimizer.set_rates(opt, self.recipe, (clock.step + 0.5) / clock.steps)
        opt.step()
        prefix = "" if number == 0 else f"{player.name}/"
        scalars = outputs | ({"loss": value} if prefix else {"loss": value, "lr": rate})
        meter.add({prefix + k: v for k, v in scalars.items()} if prefix else scalars)
        return outputs

    def _forward(self, **batch: Any) -> Outputs:
        """The method's outputs. Raises UserError for a batch norm that gets one value a channel."""
        try:
            outputs: Outputs = self.model(**batch)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            recipe, groups = self.recipe, self.groups
            count = recipe.batch_size // recipe.accumulate // groups
            raise UserError(
                f"{type(self.method).__name__} has batch norm, which needs at least 2 samples in a group, but "
                f"batch_size {recipe.batch_size} / accumulate {recipe.accumulate} / batch_norm_groups {groups} is "
                f"{count}: use a larger --batch-size, a smaller --accumulate or fewer groups"
            ) from error
        return outputs

    def _sync(self, micro: int) -> AbstractContextManager[Any]:
        last = micro == self.recipe.accumulate - 1
        return nullcontext() if last or not isinstance(self.model, DistributedDataParallel) else self.model.no_sync()

    def state(self) -> dict[str, Tensor]:
        """The optimisers' tensors."""
        return {k: v for name, opt in self.optimizers.items() for k, v in optimizer.pack(opt, name).items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """The optimisers as they were."""
        for name, opt in self.optimizers.items():
            optimizer.unpack(opt, tensors, name)

    def close(self) -> None:
        """Stop the loader's threads."""
        self.loader.close()


def _check_batch(method: Method, recipe: Recipe, n: int, world: int, groups: int) -> None:
    micro = recipe.batch_size // recipe.accumulate
    if recipe.batch_size > n:
        raise UserError(
            f"the batch of {recipe.batch_size} is larger than the data set of {n} samples: use a smaller --batch-size"
        )
    if recipe.batch_size % (recipe.accumulate * world):
        raise UserError(
            f"batch_size {recipe.batch_size} cannot be split over {world} ranks and {recipe.accumulate} micro-batches"
        )
    if micro < method.together:
        raise UserError(
            f"{type(method).__name__} compares the samples of a micro-batch with each other and needs at least "
            f"{method.together}, but batch_size {recipe.batch_size} / accumulate {recipe.accumulate} is {micro}: use a "
            "larger --batch-size or a smaller --accumulate"
        )
    if norm.grouped(method) and ((groups % world and world % groups) or micro % groups):
        raise UserError(
            f"batch_norm_groups {groups} must be a multiple of the {world} ranks or divide them, and divide the "
            "micro-batch evenly"
        )


def _join(micro: list[Outputs]) -> Outputs:
    """One step's outputs from its micro-batches'.

    Scalars averaged, tensors joined along the batch axis, all without gradients.
    """
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
