"""Acting: a method plays in environments and learns from what came of it, in one process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import repeat
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from selftaught import optimizer
from selftaught.device import pick_device, reseed
from selftaught.errors import UserError
from selftaught.meter import Meter
from selftaught.method import Acts, Batch, Clock, Method
from selftaught.parts import gather
from selftaught.recipe import Recipe
from selftaught.source import Environments, Raw, Source
from selftaught.steps import Stepper, refuse

READS = (
    "batch_size",
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
)


@final
class Acting(Stepper):
    """One step is a stretch of moments in every environment, then one update from them.

    There are as many environments as make a batch: batch_size / stretch. Each goes on where it stopped, with its
    memory. An epoch is as many stretches as the source has.

    Where the environments stand is part of a checkpoint (`Environments.state`), with memories and unfinished returns.
    """

    def __init__(self, method: Method, source: Source, recipe: Recipe, device: torch.device) -> None:
        if not isinstance(method, Acts):
            raise UserError(f"{type(method).__name__} is stepped by acting, so it must obey selftaught.method.Acts")
        name = type(method).__name__
        if gather.world() > 1:
            raise UserError(f"{name} acts in one process: start it without torchrun")
        if "environments" not in source.traits:
            raise UserError(f"{name} learns by acting, but these data were recorded: name an environment to act in")
        self.player, *others = method.players()
        if others:
            raise UserError(f"{name} acts, and a method that acts has one player")
        self.method: Any = method
        self.source, self.recipe, self.device, self.stretch = source, recipe, device, method.stretch()
        if recipe.batch_size % self.stretch:
            raise UserError(
                f"batch_size {recipe.batch_size} must be a multiple of the {self.stretch} moments between two updates "
                f"of {name}: each environment gives so many"
            )
        self.count = recipe.batch_size // self.stretch
        self.per_epoch = max(len(source) * self.stretch // recipe.batch_size, 1)
        self.restart()

    @classmethod
    def place(cls, recipe: Recipe) -> torch.device:
        """The recipe's device."""
        return pick_device(recipe.device)

    def restart(self) -> None:
        """A fresh optimiser, and environments at the start of their first episodes."""
        self.optimizer = optimizer.build(self.player, self.recipe)
        self.samples = 0.0
        self.environments: Environments = self.source.traits["environments"](self.count, self.recipe.seed)
        self.memory: Tensor = self.method.empty(self.count)
        self.start = np.ones(self.count, np.bool_)
        self.returned, self.lasted = np.zeros(self.count), np.zeros(self.count)

    def epoch(self, clock: Clock, start: int = 0) -> tuple[int, Iterator[Any]]:
        """Steps are taken from the environments, and from nothing else."""
        return self.per_epoch, repeat(None, self.per_epoch - start)

    def steps_in_epoch(self) -> int:
        """The stretches of the source in batches."""
        return self.per_epoch

    def step(self, clock: Clock, meter: Meter, batches: Iterator[Any]) -> None:
        """Play a stretch, then update."""
        next(batches)
        reseed(self.recipe.seed, clock.step, device=self.device)
        before, ended = self.memory, list[tuple[float, float]]()
        batch = self._seen(self._play(ended))
        self.optimizer.zero_grad(set_to_none=True)
        outputs = self.method(player=self.player.name, clock=clock, memory=before, **batch)
        outputs["loss"].backward()
        outputs = {k: v.detach() if isinstance(v, Tensor) else v for k, v in outputs.items()}
        if not math.isfinite(value := float(outputs["loss"])):
            refuse("loss", self.player, clock)
        if not optimizer.clip(self.player, self.recipe):
            refuse("gradient norm", self.player, clock)
        rate = optimizer.set_rates(self.optimizer, self.recipe, (clock.step + 0.5) / clock.steps)
        self.optimizer.step()
        meter.add(outputs | {"loss": value, "lr": rate})
        for got, moments in ended:
            meter.add({"return": got, "episode_length": moments})
        with torch.no_grad():
            self.method.after_step(clock, outputs)
        self.samples += self.recipe.batch_size

    @torch.no_grad()
    def _play(self, ended: list[tuple[float, float]]) -> Raw:
        """Act for a stretch, and return what was seen and done. `ended` gets return and length of finished episodes."""
        many, world = (self.count, self.stretch + 1), self.environments
        seen = np.empty((*many, *world.observation.shape[1:]), world.observation.dtype)
        start, action = np.empty(many, np.bool_), np.zeros(many, np.int64)
        reward = np.zeros(many, np.float32)
        for t in range(self.stretch):
            seen[:, t], start[:, t] = world.observation, self.start
            now = self._seen({world.key: seen[:, t : t + 1], "start": start[:, t : t + 1]})
            chosen, self.memory = self.method.act(self.memory, **now)
            action[:, t] = chosen.cpu().numpy()
            reward[:, t], self.start = world.act(action[:, t])
            self.returned += reward[:, t]
            self.lasted += 1
            if self.start.any():
                over = self.start
                ended += zip(self.returned[over].tolist(), self.lasted[over].tolist(), strict=True)
                self.returned[over] = self.lasted[over] = 0
        seen[:, -1], start[:, -1] = world.observation, self.start
        return {world.key: seen, "start": start, "action": action, "reward": reward}

    def _seen(self, raw: Raw) -> Batch:
        batch: Batch = self.method.views.apply(raw, {}, self.device)
        return batch

    def state(self) -> dict[str, Tensor]:
        """The optimiser's tensors, where the environments stand, and what is remembered and counted of episodes."""
        own = {"start": self.start, "returned": self.returned, "lasted": self.lasted}
        arrays = {f"acting.{k}": v for k, v in own.items()}
        arrays |= {f"environments.{k}": v for k, v in self.environments.state().items()}
        tensors = {k: torch.from_numpy(v.copy()) for k, v in arrays.items()}
        return optimizer.pack(self.optimizer, self.player.name) | tensors | {"acting.memory": self.memory}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Everything as it was. Raises UserError if the environments do not come to where they stood."""
        optimizer.unpack(self.optimizer, tensors, self.player.name)
        arrays = {k: v.numpy() for k, v in tensors.items() if k.startswith(("acting.", "environments."))}
        self.environments.restore({k.partition(".")[2]: v for k, v in arrays.items() if k.startswith("environments.")})
        self.start, self.returned, self.lasted = (arrays[f"acting.{k}"].copy() for k in ("start", "returned", "lasted"))
        self.memory = tensors["acting.memory"].to(self.device)

    def close(self) -> None:
        """Nothing."""
