"""The pages of stacks and the frames of animations as images of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.image.decode import Unreadable, count_pages
from selftaught.data.image.items import Items, values_of
from selftaught.data.image.reading import Reading
from selftaught.data.workers import spread


@final
class Pages(Items):
    """Every page of every item, with the label of its item. Pages of one item are a group."""

    reading = Reading(axis="last")

    def __init__(self, items: Items) -> None:
        self._items = items
        counts = np.fromiter(spread(self._count, range(len(items))), np.int64, len(items))
        self._owner = np.repeat(np.arange(len(items)), counts)
        self._page = np.arange(len(self._owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        self._several = counts > 1
        self.where, self.key = items.where, items.key and f"{items.key} {items.reading.shaping}"
        self.labels, self.classes = items.labels[self._owner], items.classes
        self.skipped, self.pack = items.skipped, items.pack
        own = self._owner if len(items) > 1 else None  # of one stack, nothing else is left to test with
        self.groups = own if items.groups is None else items.groups[self._owner]

    def _count(self, position: int) -> int:
        try:
            data = self._items.read(position)
            return count_pages(data) if isinstance(data, bytes) else (len(data) if data.ndim == 4 else 1)
        except (OSError, Unreadable):
            return 1  # reading it will give the reason

    def __len__(self) -> int:
        return len(self._owner)

    def name(self, position: int) -> str:
        """Return the name of the item and the number of the page, from 1."""
        owner = int(self._owner[position])
        name = self._items.name(owner)
        return f"{name}, page {self._page[position] + 1}" if self._several[owner] else name

    def stamp(self, position: int) -> tuple[int, int]:
        """Return that of the item."""
        return self._items.stamp(int(self._owner[position]))

    def read(self, position: int) -> NDArray[Any]:
        """Return the page, [H, W, C] of the type of its item."""
        reading = replace(self._items.reading, pages=int(self._page[position]))
        return values_of(self._items, int(self._owner[position]), reading=reading)
