"""Images that are decoded on demand: the common interface of folders, Parquet rows, Hugging Face rows and sequences."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.groups import Names, absent, numbered, values
from selftaught.data.image.arrays import as_bytes, check_range, with_channels
from selftaught.data.image.decode import Unreadable, decode, shape_of
from selftaught.data.image.source import Pixels
from selftaught.errors import UserError
from selftaught.source import Skipped


class Items(ABC):
    """Encoded images, or arrays of any sizes, by position.

    Attributes:
        where: The name of the whole in messages.
        key: Identifies what was scanned, so that results can be cached; "" disables this.
        labels: int64 [N], -1 = unknown.
        classes: Names of the classes.
        groups: int64 [N], see `Source.groups`; None if the items have none.
        skipped: What was skipped before anything was read.
        pack: Whether small images should be copied to the cache.
    """

    where: str
    key: str = ""
    labels: NDArray[np.int64]
    classes: Sequence[str] = ()
    groups: NDArray[np.int64] | None = None
    skipped: Sequence[Skipped] = ()
    pack: bool = True

    def column(self, name: str) -> Sequence[Any]:
        """Return a column of a table. Raises UserError if there is none of this name."""
        raise absent(name, self.where, ())

    def group(self, by: Any) -> None:
        """Group the items, see `data.groups`. Raises UserError if that is not possible."""
        found = values(by, len(self), self.where, self.names)
        self.groups = numbered(self.column(str(by)) if found is None else found)

    @property
    def names(self) -> Names | None:
        """The paths of the items, if they are files."""
        return None

    @abstractmethod
    def __len__(self) -> int:
        """The number of items."""

    @abstractmethod
    def name(self, position: int) -> str:
        """Return the name of the item, in `skipped.jsonl` and beside its features."""

    @abstractmethod
    def read(self, position: int) -> bytes | NDArray[Any]:
        """Return the encoded image, or its pixels as an array of any type. Raises Unreadable or OSError."""

    def stamp(self, position: int) -> tuple[int, int]:
        """Return size and time of change. Cached results are valid only while these are the same."""
        return 0, 0


def measure(items: Items, position: int) -> tuple[bytes, tuple[int, int, int]]:
    """Return (SHA-256 of the content, (H, W, C)) of one item, fully decoded. Raises Unreadable or OSError."""
    data = items.read(position)
    if isinstance(data, bytes):
        return hashlib.sha256(data).digest(), shape_of(data)
    pixels = _pixels(data)
    height, width, channels = pixels.shape
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest(), (height, width, channels)


def pixels_of(items: Items, position: int, at_least: int = 0) -> Pixels:
    """Return uint8 [H, W, C]. Raises Unreadable or OSError."""
    data = items.read(position)
    return decode(data, at_least) if isinstance(data, bytes) else _pixels(data)


def _pixels(array: NDArray[Any]) -> Pixels:
    try:
        images = with_channels(array[None], "image")
        check_range(images, "image")
    except UserError as error:
        raise Unreadable(str(error).removeprefix("image: ")) from None
    pixels: Pixels = as_bytes(images)[0]
    return pixels
