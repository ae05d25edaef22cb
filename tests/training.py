"""Short trainings of toys and of real methods, in this process or on every rank of the pair."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import toys
from torch import Tensor

from selftaught.contract.training import StopAfter, state
from selftaught.contract.training import train as trained
from selftaught.fit import Observer, Result
from selftaught.method import Method, Source
from selftaught.run import RunFolder

__all__ = ["StopAfter", "state", "stopped_and_resumed", "train", "train_toy_on_rank"]


def train(
    build: Callable[[], Method],
    path: Path | str,
    source: Source | None = None,
    observers: Sequence[Observer] = (),
    resume: bool = False,
    **recipe: Any,
) -> tuple[Method, Result]:
    """`contract.training.train` on pictures, unless there is another source."""
    return trained(build, path, source or toys.Blobs(), observers, resume, **recipe)


def stopped_and_resumed(
    build: Callable[..., Method], folder: Path, source: Source, stop: int, seeded: bool = True, **recipe: Any
) -> tuple[Method, Method]:
    """Two trainings of what `build` makes.

    Without a stop, and stopped after step `stop`, then resumed from other weights. Returns
    the first, and the second as it stood when it stopped. Fails unless both end with the same bytes, in memory and in
    their folders.

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
