"""Short trainings, stopped where one likes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

from torch import Tensor

from selftaught import steps
from selftaught.fit import Observer, Result, fit
from selftaught.method import Clock, Method, Source
from selftaught.recipe import Recipe
from selftaught.run import RunFolder

RECIPE: dict[str, Any] = {
    "steps": 9, "batch_size": 16, "lr": 1e-2, "batch_norm_groups": 2, "device": "cpu", "log_every": 1,
}  # fmt: skip


@final
class StopAfter:
    """An observer that sends this process a signal after a given step, as a person, a scheduler or, SIGKILL, the kernel would."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        self.at, self.number = step, number

    def step(self, clock: Clock, method: Method, scalars: dict[str, float]) -> None:
        """After every step of `fit`."""
        if clock.step == self.at:
            os.kill(os.getpid(), self.number)

    def finish(self) -> None:
        """Nothing is left to do."""


def state(method: Method) -> dict[str, Tensor]:
    """A copy of all that a checkpoint would hold of a method."""
    return {k: v.clone() for k, v in method.state_dict().items()}


def train(
    build: Callable[[], Method],
    path: Path | str,
    source: Source,
    observers: Sequence[Observer] = (),
    resume: bool = False,
    **recipe: Any,
) -> tuple[Method, Result]:
    """Train what `build` makes in the run folder `path`, which is created unless resumed.

    9 steps of 16 samples unless `recipe` says so.

    What the method's way to step does not read of `recipe` is left out.
    """
    method = build()
    folder = RunFolder.open(path) if resume else RunFolder.create(path, {"method": {"name": "toy"}})
    read = steps.reads(method.stepper)
    values = {key: value for key, value in (RECIPE | recipe).items() if key in read}
    return method, fit(method, source, Recipe(**values), folder, observers, resume)
