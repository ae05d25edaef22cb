"""The games of MinAtar, with an agent that acts at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

from selftaught.data.entry import Entry
from selftaught.kind import Split

KIND = "agent"
NAMES = ("minatar/asterix", "minatar/breakout", "minatar/freeway", "minatar/seaquest", "minatar/space_invaders")
KNOWN: dict[str, tuple[str, int]] = {
    "asterix": ("gather gold, avoid enemies", 4),
    "breakout": ("break bricks with a ball", 4),
    "freeway": ("cross a road", 7),
    "seaquest": ("rescue divers, shoot fish and submarines", 10),
    "space_invaders": ("shoot aliens that come nearer", 6),
}
"""What a game is about, and the channels of its observations."""


@final
class Game:
    """One game."""

    parts: ClassVar[tuple[Split, ...]] = ("all",)
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, name: str) -> None:
        about, channels = KNOWN[name.partition("/")[2]]
        size = f"environment, {channels} channels of 10x10, 6 actions"
        self.ENTRY = Entry(name, about, size, (), "GPL (the package)", "package minatar", kind=KIND)

    def cached(self) -> bool:
        """Nothing is ever downloaded."""
        return True


SETS = {name: Game(name) for name in NAMES}
