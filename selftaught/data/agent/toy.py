"""A small environment, in which any agent should learn something within seconds."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import numpy as np

from selftaught.data.agent.environment import Environment, Observation
from selftaught.data.agent.source import Observations, recorded

SIDE = 5
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
LONGEST = 8
"""Moves of an episode: enough to reach every cell."""
MOMENTS = 8
"""Moments for each sample that is asked for: methods learn from stretches of several."""
VARIANTS: tuple[dict[str, Any], ...] = ({"pixels": True}, {"side": 4})
"""Arguments of `source` and `seen` for other toys that a method should accept."""


@final
class Errand(Environment):
    """Walk to a goal in a square room: 1 where the agent is (channel 0), 1 at the goal (channel 1). Reward 1 there.

    With `pixels`, 255 in place of 1, and a third channel that is always 0.
    """

    actions = len(MOVES)

    def __init__(self, side: int = SIDE, pixels: bool = False) -> None:
        self.side, self.pixels = side, pixels

    def start(self, seed: int) -> Observation:
        """See `Environment.start`."""
        cells = np.random.default_rng(seed).permutation(self.side**2)[:2]
        self.at, self.goal = (divmod(int(cell), self.side) for cell in cells)
        self.moves = 0
        return self._seen()

    def act(self, action: int) -> tuple[Observation, float, bool]:
        """See `Environment.act`."""
        row, column = (place + move for place, move in zip(self.at, MOVES[action], strict=True))
        self.at = (min(max(row, 0), self.side - 1), min(max(column, 0), self.side - 1))
        self.moves += 1
        there = self.at == self.goal
        return self._seen(), float(there), there or self.moves >= LONGEST

    def _seen(self) -> Observation:
        seen = np.zeros((3 if self.pixels else 2, self.side, self.side), np.uint8)
        seen[(0, *self.at)] = seen[(1, *self.goal)] = 255 if self.pixels else 1
        return seen


def source(n: int = 96, seed: int = 0, side: int = SIDE, pixels: bool = False) -> Observations:
    """Return what an agent that acts at random sees, n stretches of 8 moments; another seed gives other episodes."""
    return recorded(partial(Errand, side, pixels), "the toy", MOMENTS * n, seed)


def seen(side: int = SIDE, pixels: bool = False) -> dict[str, Any]:
    """Return the description of the input for an encoder."""
    shape = {"channels": 3 if pixels else 2, "height": side, "width": side}
    return {"kind": "agent", **shape, "scale": 255.0 if pixels else 1.0}
