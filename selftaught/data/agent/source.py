"""Observations of an agent, in the order in which it made them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.agent.environment import Environments, Make
from selftaught.data.subset import Subset
from selftaught.errors import UserError
from selftaught.source import Index, Labels, Raw, Skipped, Source, checked

Open = Callable[[int, int], Environments]
"""Opens environments: called with their number and a seed."""


@final
class Observations(Source):
    """What an agent saw, did and got, one sample a moment.

    Args:
        seen: Observations, [N, C, H, W].
        action: What it did then, int64 [N].
        reward: What it got for that, float32 [N].
        over: Whether the action ended the episode, bool [N].
        environments: Opens more of the environments that these are of; None = they were recorded.
        actions: The number of actions; 0 = unknown.
        skipped: What could not be read.
    """

    samples = "observations"

    def __init__(
        self,
        seen: NDArray[Any],
        action: NDArray[np.int64],
        reward: NDArray[np.float32],
        over: NDArray[np.bool_],
        *,
        environments: Open | None = None,
        actions: int = 0,
        skipped: Sequence[Skipped] = (),
    ) -> None:
        self._seen, self._action, self._reward = seen, action, reward
        before = np.concatenate([[False], over[:-1]])  # the moment before ended its episode
        self._episode = np.cumsum(before)
        self._moment = np.arange(len(seen)) + self._episode
        self.skipped = list(skipped)
        channels, height, width = map(int, seen.shape[1:])
        self.traits = {"channels": channels, "height": height, "width": width, "actions": actions}
        if environments is not None:
            self.traits |= {"environments": environments}

    def __len__(self) -> int:
        return len(self._seen)

    def fetch(self, index: Index) -> Raw:
        """``{"agent": [B, C, H, W], "action": int64 [B], "reward": float32 [B], "moment": int64 [B], ...}``.

        From one moment of an episode to the next, "moment" grows by 1; from one episode to the next by 2.
        """
        index = checked(index, len(self))
        seen = np.ascontiguousarray(self._seen[index])
        beside = {"label": np.full(len(index), -1, np.int64), "index": index}
        moment = self._moment[index]
        return {"agent": seen, "action": self._action[index], "reward": self._reward[index], "moment": moment, **beside}

    @property
    def groups(self) -> Labels:
        """int64 [N]: the episode."""
        return self._episode

    def names(self, index: Index) -> list[str]:
        """Return "episode 3, moment 7", counted from 0."""
        first = np.searchsorted(self._episode, self._episode)
        index = checked(index, len(self))
        return [f"episode {self._episode[i]}, moment {i - first[i]}" for i in index.tolist()]


def recorded(make: Make, name: str, moments: int, seed: int) -> Observations:
    """Return so many moments of an agent that acts at random in one environment.

    Raises UserError if the environment fails, or what it shows is not [C, H, W].
    """
    one = Environments(make, 1, seed, name)
    check_shape(name, one.observation[0])
    rng = np.random.Generator(np.random.Philox(key=[seed, 0xAC7]))
    action = rng.integers(0, one.actions, moments)
    seen = np.empty((moments, *one.observation.shape[1:]), one.observation.dtype)
    reward, over = np.empty(moments, np.float32), np.empty(moments, np.bool_)
    for t in range(moments):
        seen[t] = one.observation[0]
        came = one.act(action[t : t + 1])
        reward[t], over[t] = came.reward[0], came.over[0]

    def environments(count: int, seed: int) -> Environments:
        return Environments(make, count, seed, name)

    return Observations(seen, action, reward, over, environments=environments, actions=one.actions)


def check_shape(name: str, seen: NDArray[Any]) -> None:
    """Raises UserError unless an observation is [C, H, W] of numbers."""
    if seen.ndim != 3 or seen.dtype.kind not in "buif" or 0 in seen.shape:
        raise UserError(
            f"{name} shows arrays of shape {list(seen.shape)} and type {seen.dtype}: observations must be numbers with "
            "the axes channel, row and column"
        )


def some(source: Source, limit: int | None, seed: int) -> Source:
    """Return whole episodes, drawn by the seed, of `limit` moments together; the last is cut. All if limit is None.

    Raises UserError if `limit` is below 1.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    if limit is None or limit >= len(source):
        return source
    groups = source.groups
    assert groups is not None
    _, episode = np.unique(groups, return_inverse=True)
    order = np.random.Generator(np.random.Philox(key=[seed, 0xAC8])).permutation(int(episode.max()) + 1)
    place = np.empty(len(order), np.int64)  # of each episode in the order
    place[order] = np.arange(len(order))
    return Subset(source, np.sort(np.argsort(place[episode], kind="stable")[:limit]))
