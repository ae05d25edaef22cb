"""Environments: what an agent observes and acts in, one at a time or several side by side."""

from __future__ import annotations

import hashlib
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn, final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

Observation = NDArray[Any]
"""Numbers of any type, [C, H, W]."""


class Environment(ABC):
    """One environment. After the same seed and the same actions it must show the same: nothing else may change it.

    >>> class Coin(Environment):
    ...     actions = 2
    ...     def start(self, seed):
    ...         self.side = seed % 2
    ...         return np.full((1, 3, 3), self.side, np.uint8)
    ...     def act(self, action):
    ...         return np.zeros((1, 3, 3), np.uint8), float(action == self.side), True
    >>> several = Environments(Coin, 4, seed=0)
    >>> moment = several.act(several.observation[:, 0, 0, 0])
    >>> moment.reward.tolist(), moment.over.all()
    ([1.0, 1.0, 1.0, 1.0], np.True_)

    Attributes:
        actions: The number of actions.
    """

    actions: int

    @abstractmethod
    def start(self, seed: int) -> Observation:
        """Begin an episode, of which `seed`, in [0, 2^31), decides all that is random. Returns what is seen first."""

    @abstractmethod
    def act(self, action: int) -> tuple[Observation, float, bool]:
        """Return what is seen after an action, its reward, and whether it ended the episode."""


Make = Callable[[], Environment]


class Moment(NamedTuple):
    """What came of the actions in N environments."""

    reward: NDArray[np.float32]
    """float32 [N]."""
    over: NDArray[np.bool_]
    """bool [N]: the action ended the episode, so what is seen now is the start of the next."""


@final
class Environments:
    """N environments of one kind, which begin the next episode by themselves.

    An episode's seed is a function of (seed, environment, episode), and environments repeat themselves. So their state
    is the number of the episode and its actions: `restore` acts them again. Nothing of an environment is pickled.

    Args:
        make: Makes an environment.
        count: N, at least 1.
        seed: Of all episodes.
        name: What they are called in messages.

    Attributes:
        observation: What is seen now, [N, C, H, W].
        actions: The number of actions.
    """

    key = "agent"

    def __init__(self, make: Make, count: int, seed: int, name: str = "the environment") -> None:
        self.name, self.seed = name, seed
        try:
            self._all = [make() for _ in range(count)]
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{name} cannot be made ({_said(error)})") from error
        self.actions = self._all[0].actions
        self._episode = np.zeros(count, np.int64)
        self._acted: list[list[int]] = [[] for _ in range(count)]
        self.observation: NDArray[Any] = np.stack([self._start(i) for i in range(count)])

    def act(self, actions: NDArray[np.integer[Any]]) -> Moment:
        """Act in each environment, int [N]. Raises UserError if one fails."""
        reward, over = np.zeros(len(self._all), np.float32), np.zeros(len(self._all), np.bool_)
        for i, action in enumerate(actions.tolist()):
            seen, reward[i], over[i] = self._act(i, action)
            if over[i]:
                self._episode[i] += 1
                seen = self._start(i)
            self.observation[i] = seen
        return Moment(reward, over)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state: "episode" and "acted", int64 [N], all "actions", int16, and what is seen, "observation"."""
        acted = np.array([len(actions) for actions in self._acted], np.int64)
        actions = np.array([action for actions in self._acted for action in actions], np.int16)
        seen = self.observation.copy()
        return {"episode": self._episode.copy(), "acted": acted, "actions": actions, "observation": seen}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a `state` of as many environments of this kind and seed.

        Raises UserError if what they show then is not what they showed.
        """
        self._episode = np.array(state["episode"], np.int64)
        ends = np.cumsum(state["acted"])[:-1]
        for i, actions in enumerate(np.split(state["actions"], ends)):
            seen = self._start(i)
            for action in actions.tolist():
                seen = self._act(i, action)[0]
            self.observation[i] = seen
        if not np.array_equal(self.observation, state["observation"]):
            raise UserError(
                f"{self.name} does not repeat itself: after the same seed and actions it shows something else, so a "
                "run that was stopped cannot go on: make all that is random in it depend on the seed of start"
            )

    def _start(self, i: int) -> Observation:
        self._acted[i] = []
        try:
            return self._all[i].start(episode_seed(self.seed, i, int(self._episode[i])))
        except Exception as error:
            self._refuse(i, error)

    def _act(self, i: int, action: int) -> tuple[Observation, float, bool]:
        self._acted[i].append(action)
        try:
            return self._all[i].act(action)
        except Exception as error:
            self._refuse(i, error)

    def _refuse(self, i: int, error: Exception) -> NoReturn:
        after = f"after {len(self._acted[i]):,} actions of episode {self._episode[i]:,}"
        seed = episode_seed(self.seed, i, int(self._episode[i]))
        raise UserError(
            f"{self.name} failed {after} ({_said(error)}): start({seed}) and the same actions show it again"
        ) from error


def episode_seed(seed: int, environment: int, episode: int) -> int:
    """Return the seed of an episode, in [0, 2^31)."""
    digest = hashlib.blake2b(struct.pack("<QQQ", seed, environment, episode), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1


def _said(error: Exception) -> str:
    sentence = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__
