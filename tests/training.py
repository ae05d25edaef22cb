"""Short trainings of toys and of real methods, in this process or on every rank of the pair."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import toys
from torch import Tensor

from selftaught.fit import Observer, Result, fit
from selftaught.method import Clock, Method, Source
from selftaught.recipe import Recipe
from selftaught.run import RunFolder

RECIPE = {"steps": 9, "batch_size": 16, "lr": 1e-2, "batch_norm_groups": 2, "device": "cpu", "log_every": 1}


class StopAfter:
    """An observer that sends this process a signal after a given step, as a person, a scheduler or, SIGKILL, the kernel would."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        self.at, self.number = step, number

    def step(self, clock: Clock, method: Method, scalars: dict[str, float]) -> None:
        if clock.step == self.at:
            os.kill(os.getpid(), self.number)

    def finish(self) -> None: ...


def state(method: Method) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in method.state_dict().items()}


def train(
    build: Callable[[], Method],
    path: Path | str,
    source: Source | None = None,
    observers: Sequence[Observer] = (),
    resume: bool = False,
    **recipe: Any,
) -> tuple[Method, Result]:
    """Train what `build` makes in the run folder `path`, which is created unless resumed."""
    method = build()
    folder = RunFolder.open(path) if resume else RunFolder.create(path, {"method": {"name": "toy"}})
    result = fit(method, source or toys.Blobs(), Recipe(**(RECIPE | recipe)), folder, observers, resume)
    return method, result


def stopped_and_resumed(
    build: Callable[..., Method], folder: Path, source: Source, stop: int, seeded: bool = True, **recipe: Any
) -> tuple[Method, Method]:
    """Two trainings of what `build` makes: without a stop, and stopped after step `stop`, then resumed from other weights. Returns
    the first, and the second as it stood when it stopped. Fails unless both end with the same bytes, in memory and in their folders.

    `build` takes a `seed` of the weights, unless it has none to seed.
    """
    whole, _ = train(build, folder / "whole", source, **recipe)
    stopped, part = train(build, folder / "parts", source, observers=[StopAfter(stop)], **recipe)
    assert part.step == stop and part.interrupted == signal.SIGTERM
    resumed, _ = train(partial(build, seed=5) if seeded else build, folder / "parts", source, resume=True, **recipe)
    for key, value in state(whole).items():
        assert torch.equal(value, state(resumed)[key]), key
    assert (folder / "whole/method.safetensors").read_bytes() == (folder / "parts/method.safetensors").read_bytes()
    return whole, stopped


def train_toy_on_rank(
    name: str, path: str, arguments: dict[str, Any] | None = None, **recipe: Any
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What each rank of the pair runs. Only rank 0 may make the folder."""
    from selftaught.parts.gather import barrier, rank

    if rank() == 0:
        RunFolder.create(path, {"method": {"name": name}})
    barrier()
    method, result = train(lambda: toys.build(name, **(arguments or {})), path, resume=True, **recipe)
    return state(method), {"step": result.step}
