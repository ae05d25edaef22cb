"""Some rooms of MiniGrid, with an agent that acts at random. Others are opened by their names: minigrid/NAME."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

from selftaught.data.entry import Entry
from selftaught.kind import Split

KIND = "agent"
NAMES = ("minigrid/doorkey-5x5", "minigrid/empty-5x5", "minigrid/empty-random-6x6", "minigrid/fourrooms")
KNOWN = {
    "doorkey-5x5": "find a key, open a door, walk to the goal",
    "empty-5x5": "walk to the goal in an empty room",
    "empty-random-6x6": "walk to the goal in an empty room, from anywhere",
    "fourrooms": "find the goal in four rooms",
}


@final
class Room:
    """One room."""

    parts: ClassVar[tuple[Split, ...]] = ("all",)
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, name: str) -> None:
        about = KNOWN[name.partition("/")[2]]
        size = "environment, 20 channels of 7x7, 7 actions"
        self.ENTRY = Entry(name, about, size, (), "MIT (the package)", "package minigrid", kind=KIND)

    def cached(self) -> bool:
        """Nothing is ever downloaded."""
        return True


SETS = {name: Room(name) for name in NAMES}
