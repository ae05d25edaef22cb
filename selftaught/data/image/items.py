"""What is decoded when it is asked for: the common face of folders, Parquet rows, Hugging Face rows and sequences."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.image.arrays import as_bytes, check_range, with_channels
from selftaught.data.image.decode import Unreadable, decode, shape_of
from selftaught.data.image.source import Pixels
from selftaught.errors import UserError
from selftaught.source import Skipped


class Items(ABC):
    """Encoded images, or arrays of any sizes, by position.

    Attributes:
        where: What messages call the whole.
        key: Names what was scanned, so that results can be kept; "" keeps none.
        labels: int64 [N], -1 = unknown.
        classes: Names of the classes.
        skipped: What was left out before anything was read.
        pack: Whether small images are worth a copy in the cache.
    """

    where: str
    key: str = ""
    labels: NDArray[np.int64]
    classes: Sequence[str] = ()
    skipped: Sequence[Skipped] = ()
    pack: bool = True

    @abstractmethod
    def __len__(self) -> int:
        """The number of items."""

    @abstractmethod
    def name(self, position: int) -> str:
        """What `skipped.jsonl` calls the item."""

    @abstractmethod
    def read(self, position: int) -> bytes | NDArray[Any]:
        """The encoded picture, or its pixels as an array of any kind. Raises Unreadable or OSError."""

    def stamp(self, position: int) -> tuple[int, int]:
        """Size and time of change: kept results count only while they are the same."""
        return 0, 0


def measure(items: Items, position: int) -> tuple[bytes, tuple[int, int, int]]:
    """(SHA-256 of the content, (H, W, C)) of one item, read and decoded to the end. Raises Unreadable or OSError."""
    data = items.read(position)
    if isinstance(data, bytes):
        return hashlib.sha256(data).digest(), shape_of(data)
    pixels = _pixels(data)
    height, width, channels = pixels.shape
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest(), (height, width, channels)


def pixels_of(items: Items, position: int, at_least: int = 0) -> Pixels:
    """uint8 [H, W, C]. Raises Unreadable or OSError."""
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
