"""The kind "agent": what an agent observes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, final, get_args

import numpy as np

from selftaught import errors
from selftaught.data.agent import trajectories
from selftaught.data.agent.environment import Environment, Make
from selftaught.data.agent.minatar import GAMES, MinAtar
from selftaught.data.agent.minigrid import MiniGrid
from selftaught.data.agent.source import Observations, recorded, some
from selftaught.data.subset import split as side_of
from selftaught.data.told import division
from selftaught.errors import UserError, expanded
from selftaught.kind import Kind, Progress, Split, silent
from selftaught.source import Source, evenly

MOMENTS = 20_000
"""Moments of an agent that acts at random, recorded when an environment is opened."""
LOOKED_AT = 2048
"""Number of observations from which their range is found."""
FAMILIES = ("minatar", "minigrid")


@final
class Agent(Kind):
    """Observations, [C, H, W]."""

    samples = "observations"
    network = "grid"

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Accept environments by name, such as minatar/breakout; classes of environments; recorded trajectories."""
        if isinstance(data, type):
            return issubclass(data, Environment)
        if not isinstance(data, str | Path):
            return False
        try:
            path = expanded(data)
            if path.is_dir():
                return any(map(trajectories.is_one, trajectories.files(path)[:1]))
            return trajectories.is_one(path) if path.is_file() else _family(data) in FAMILIES
        except (OSError, UserError):
            return False

    @classmethod
    def certain(cls, data: Any) -> bool:
        """Whatever it accepts: environments are named, and so are the arrays of trajectories."""
        return True

    def open(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None
    ) -> Source:
        """See `Kind.open`. A limit keeps episodes whole, but for the last."""
        if split not in get_args(Split):
            raise errors.unknown("split", str(split), get_args(Split))
        if labels is not None:
            raise UserError("observations have no labels: remove labels")
        if isinstance(data, Source):
            return some(data if split == "all" else side_of(data, split), limit, self.seed)
        if self.groups is not None:
            raise UserError("the groups of observations are their episodes: remove groups")
        most = limit if limit is not None and limit > 0 and split == "all" else MOMENTS
        found = self._found(data, min(most, MOMENTS), progress)
        source: Source = found if split == "all" else side_of(found, split)
        source = some(source, limit, self.seed)
        source.notes = (*division(split, {"all": ""}, {}), *_told(found))
        return source

    def _found(self, data: Any, moments: int, progress: Progress) -> Observations:
        if isinstance(data, type) and issubclass(data, Environment):
            return recorded(data, f"environment {data.__name__}", moments, self.seed)
        if not isinstance(data, str | Path):
            raise UserError(
                f"{type(data).__name__}: this is no environment: give a name such as minatar/breakout, a class that "
                "derives from selftaught.data.agent.environment.Environment, or recorded trajectories (.npz)"
            )
        path = expanded(data)
        if path.is_dir():
            return trajectories.opened(trajectories.files(path), str(data), progress)
        if path.is_file():
            return trajectories.opened([path], str(data), progress)
        return recorded(made(str(data)), str(data), moments, self.seed)

    def input(self, source: Source) -> dict[str, Any]:
        """Return channels, height and width, and the scale: what the numbers are divided by.

        It is 255 for bytes that are not all 0 or 1, and for others the largest number, or 1 if all are 0.
        """
        seen = np.asarray(source.fetch(evenly(len(source), LOOKED_AT))["agent"])
        top = float(np.abs(seen.astype(np.float64)).max())
        scale = 255.0 if seen.dtype == np.uint8 and top > 1 else top or 1.0
        channels, height, width = map(int, seen.shape[1:])
        return {"kind": self.name(), "channels": channels, "height": height, "width": width, "scale": scale}

    @classmethod
    def fits(cls, input: Mapping[str, Any], source: Source, where: str) -> None:
        """Raises UserError for observations of another shape."""
        shapes = [[int(one[key]) for key in ("channels", "height", "width")] for one in (input, source.traits)]
        if shapes[0] != shapes[1]:
            raise UserError(
                f"the encoder of {where} sees observations of shape {shapes[0]}, but these have {shapes[1]}"
            )

    @classmethod
    def tell(cls, source: Source) -> dict[str, Any]:
        """Return moments, episodes, shape, actions, the mean return of an episode that ended, and fingerprint."""
        groups = source.groups
        moments = source.fetch(np.arange(len(source)))
        return {
            "samples": len(source),
            "episodes": None if groups is None else len(np.unique(groups)),
            "shape": [source.traits[key] for key in ("channels", "height", "width")],
            "actions": source.traits.get("actions") or None,
            "reward": round(float(np.mean(moments["reward"])), 5),
            "fingerprint": source.fingerprint,
        }


def made(name: str) -> Make:
    """Return what makes the environment of a name. Raises UserError for an unknown one, or if a package is missing."""
    family, rest = _family(name), name.partition("/")[2]
    if family == "minatar":
        if rest not in GAMES:
            raise errors.unknown("game of MinAtar", rest, GAMES)
        return partial(MinAtar, rest)
    if family == "minigrid":
        return partial(MiniGrid, rest)
    raise errors.unknown("data", name, [f"minatar/{game}" for game in GAMES])


def _family(name: str | Path) -> str:
    family, slash, _ = str(name).partition("/")
    return family if slash else ""


def _told(source: Observations) -> tuple[str, ...]:
    episodes = int(source.groups[-1]) + 1
    who = "an agent that acts at random" if "environments" in source.traits else "a recorded agent"
    return (f"{episodes:,} episode{'s' * (episodes != 1)} of {who}",)
