"""Compiled loops: a method that trains on a slice of its own arrays at a time, in one process, on the CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, final

import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.meter import Meter
from selftaught.method import Clock, Compiled, Method
from selftaught.parts import gather
from selftaught.recipe import Recipe
from selftaught.source import Source
from selftaught.steps import NonFiniteLoss, Stepper

READS = ("lr", "schedule", "warmup", "milestones", "gamma", "final_lr")


@final
class Slices(Stepper):
    """One step is one call of `Compiled.advance`, at the learning rate of the schedule in the middle of the step."""

    def __init__(self, method: Method, source: Source, recipe: Recipe, device: torch.device) -> None:
        if not isinstance(method, Compiled):
            raise UserError(f"{type(method).__name__} is stepped by slices, so it must subclass Compiled")
        if gather.world() > 1:
            raise UserError(f"{type(method).__name__} runs in one process, with threads: start it without torchrun")
        self.method, self.recipe = method, recipe
        self.restart()

    @classmethod
    def place(cls, recipe: Recipe) -> torch.device:
        """The CPU."""
        if recipe.device not in ("auto", "cpu"):
            raise UserError(
                f"this method's compiled loops run on the CPU, not on device {recipe.device}: leave --device out"
            )
        return torch.device("cpu")

    def restart(self) -> None:
        """Nothing is kept beside the method's own arrays."""
        self.samples = 0.0

    def epoch(self, clock: Clock, start: int = 0) -> tuple[int, Iterator[Any]]:
        """The slices of an epoch, by number."""
        count = self.method.steps_in_epoch()
        return count, iter(range(start, count))

    def steps_in_epoch(self) -> int:
        """The number of slices. Nothing has to be tried out, which spares a copy of large tables."""
        return self.method.steps_in_epoch()

    def step(self, clock: Clock, meter: Meter, batches: Iterator[Any]) -> None:
        """One slice."""
        rate = self.recipe.lr * self.recipe.factor((clock.step + 0.5) / clock.steps)
        outputs = self.method.advance(clock, rate, next(batches))
        self.samples += outputs.pop(self.method.unit)
        if not math.isfinite(outputs["loss"]):
            raise NonFiniteLoss(f"the loss is not finite at step {clock.step}", "lower --lr")
        meter.add(outputs | {"lr": rate})

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
