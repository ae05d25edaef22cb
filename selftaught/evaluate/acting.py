"""How much an agent returns: one episode in each of several environments, beside agents that have not learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.evaluate.embed import frozen
from selftaught.method import Acts, Method
from selftaught.source import Environments, Source

Policy = Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[np.int64]]
"""Actions, int64 [N], for what is seen, [N, ...], where an episode begins or not, bool [N]."""
Watch = Callable[[NDArray[Any], float], None]
"""Called at every moment of the first environment's episode: with what is seen, and the return so far."""


def opened(source: Source, count: int, seed: int) -> Environments:
    """Return `count` environments like those of `source`, with other episodes than those of its training."""
    environments: Environments = source.traits["environments"](count, seed + HELD_OUT)
    return environments


HELD_OUT = 1 << 40
"""Separates the seeds of episodes that judge from those that train."""


def play(environments: Environments, policy: Policy, watch: Watch | None = None) -> dict[str, Any]:
    """Return "mean", "interval" (half of 95%), "episodes" and "length" of the first episode of each environment.

    Exactly one episode of each counts, so that short ones do not count more often.
    """
    count = len(environments.observation)
    got, lasted, open_ = np.zeros(count), np.zeros(count), np.ones(count, np.bool_)
    start = np.ones(count, np.bool_)
    while open_.any():
        if watch is not None and open_[0]:
            watch(environments.observation[0], float(got[0]))
        reward, start = environments.act(policy(environments.observation, start))
        got += reward * open_
        lasted += open_
        open_ &= ~start
    spread = 1.96 * got.std(ddof=1) / np.sqrt(count) if count > 1 else None
    return {
        "mean": float(got.mean()), "interval": None if spread is None else float(spread), "episodes": count,
        "length": float(lasted.mean()),
    }  # fmt: skip


def at_random(environments: Environments, seed: int) -> Policy:
    """Return the policy that takes every action alike."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 0xAC9]))
    return lambda seen, start: rng.integers(0, environments.actions, len(seen))


def of_method(method: Method, key: str, greedy: bool = False) -> Policy:
    """Return a method's own policy, drawn from torch's random numbers or greedy. It begins with empty memories.

    `key` is the name of observations in raw batches.
    """
    assert isinstance(method, Acts)
    device = next(method.parameters()).device
    memory: torch.Tensor | None = None

    def policy(seen: NDArray[Any], start: NDArray[np.bool_]) -> NDArray[np.int64]:
        nonlocal memory
        memory = method.empty(len(seen)) if memory is None else memory
        batch = method.views.apply({key: seen[:, None], "start": start[:, None]}, {}, device)
        with torch.no_grad():
            chosen, memory = method.act(memory, greedy, **batch)
        found: NDArray[np.int64] = chosen.cpu().numpy()
        return found

    return policy


def returns(method: Method, source: Source, episodes: int, seed: int = 0, greedy: bool = False) -> dict[str, Any]:
    """Return what `play` finds of a method in the environments of `source`, which must have some."""
    environments = opened(source, episodes, seed)
    with torch.random.fork_rng(devices=[]), frozen(method):
        torch.manual_seed(seed)
        return play(environments, of_method(method, environments.key, greedy))


def random_returns(source: Source, episodes: int, seed: int = 0) -> dict[str, Any]:
    """Return what `play` finds of an agent that acts at random."""
    environments = opened(source, episodes, seed)
    return play(environments, at_random(environments, seed))
