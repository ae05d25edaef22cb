"""MiniGrid: rooms with keys, doors and a goal (Chevalier-Boisvert et al. 2023, arXiv 2306.13831)."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from selftaught.data.agent.environment import Environment, Observation
from selftaught.data.agent.installed import module
from selftaught.errors import unknown

PREFIX, SUFFIX = "MiniGrid-", "-v0"


def called(identifier: str) -> str:
    """Return the short name of an environment: "doorkey-5x5" of MiniGrid-DoorKey-5x5-v0."""
    return identifier.removeprefix(PREFIX).removesuffix(SUFFIX).lower()


@final
class MiniGrid(Environment):
    """One room: uint8 [20, 7, 7], what is in each of the 7 x 7 cells before the agent.

    1 marks the kind of object (11 channels), its colour (6) and its state (3). The text of the mission and the compass
    are left out.

    Args:
        name: "empty-5x5", or MiniGrid-Empty-5x5-v0.
    """

    def __init__(self, name: str) -> None:
        gymnasium = module("gymnasium", "gymnasium")
        constants = module("minigrid.core.constants", "minigrid")
        known = {called(one): one for one in gymnasium.registry if one.startswith(PREFIX)}
        if called(name) not in known:
            raise unknown("environment of MiniGrid", name, known)
        self._room = gymnasium.make(known[called(name)], disable_env_checker=True).unwrapped
        sizes = [len(getattr(constants, f"{part}_TO_IDX")) for part in ("OBJECT", "COLOR", "STATE")]
        self.actions = int(self._room.action_space.n)
        self._all = np.arange(max(sizes), dtype=np.uint8)[:, None, None]
        self._sizes = sizes

    def start(self, seed: int) -> Observation:
        """See `Environment.start`."""
        return self._marked(self._room.reset(seed=seed)[0])

    def act(self, action: int) -> tuple[Observation, float, bool]:
        """See `Environment.act`. An episode that takes too long is over."""
        seen, reward, ended, late, _ = self._room.step(action)
        return self._marked(seen), float(reward), bool(ended or late)

    def _marked(self, seen: Any) -> Observation:
        image = seen["image"].transpose(2, 1, 0)  # [object, colour, state; row; column]
        marked = [image[part] == self._all[:size] for part, size in enumerate(self._sizes)]
        return np.concatenate(marked).view(np.uint8)
