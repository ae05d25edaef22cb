"""MinAtar: five small games (Young and Tian 2019, arXiv 1903.03176)."""

from __future__ import annotations

from typing import final

import numpy as np

from selftaught.data.agent.environment import Environment, Observation
from selftaught.data.agent.installed import module

GAMES = ("asterix", "breakout", "freeway", "seaquest", "space_invaders")
STICKY = 0.1
"""The probability that the action before is repeated, as in the paper."""
LONGEST = 5000
"""Moments after which an episode ends: games that are played well need not end by themselves."""


@final
class MinAtar(Environment):
    """One game: uint8 [channels, 10, 10], 1 where an object of the channel's kind is.

    There are six actions, though a game may make no use of some. It becomes harder with time, as the paper's games do.
    """

    actions = 6

    def __init__(self, game: str) -> None:
        self._game = module(f"minatar.environments.{game}", "minatar").Env(ramping=True)

    def start(self, seed: int) -> Observation:
        """See `Environment.start`."""
        self._random = self._game.random = np.random.RandomState(seed)
        self._game.reset()
        self._last, self._moments = 0, 0
        return self._seen()

    def act(self, action: int) -> tuple[Observation, float, bool]:
        """See `Environment.act`."""
        if self._random.rand() >= STICKY:
            self._last = action
        reward, over = self._game.act(self._last)
        self._moments += 1
        return self._seen(), float(reward), bool(over) or self._moments >= LONGEST

    def _seen(self) -> Observation:
        found: Observation = self._game.state().transpose(2, 0, 1).view(np.uint8)
        return found
