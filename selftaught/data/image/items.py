"""Images that are decoded on demand: the common interface of folders, Parquet rows, Hugging Face rows and sequences."""

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
from selftaught.data.labels import Given, decide
from selftaught.data.told import REFUSED
from selftaught.errors import UserError
from selftaught.source import Skipped


class Items(ABC):
    """Encoded images, or arrays of any sizes, by position.

    Attributes:
        where: The name of the whole in messages.
        key: Identifies what was scanned, so that results can be cached; "" disables this.
        given: The labels as they were found, one an item.
        label: The column that they were found in, if there is one.
        columns: Whether they come from a table, with columns to choose from.
        asked: Whether the user said that these are the labels.
        labels: int64 [N], -1 = unknown: see `number`.
        classes: Names of the classes.
        skipped: What was skipped before anything was read.
        pack: Whether small images should be copied to the cache.
    """

    where: str
    key: str = ""
    given: Given
    label: str | None = None
    columns: bool = False
    asked: bool = False
    labels: NDArray[np.int64]
    classes: Sequence[str] = ()
    skipped: Sequence[Skipped] = ()
    pack: bool = True

    @abstractmethod
    def __len__(self) -> int:
        """The number of items."""

    @abstractmethod
    def name(self, position: int) -> str:
        """Return the name of the item in `skipped.jsonl`."""

    @abstractmethod
    def read(self, position: int) -> bytes | NDArray[Any]:
        """Return the encoded image, or its pixels as an array of any type. Raises Unreadable or OSError."""

    def give(self, given: Given) -> None:
        """Label the items by themselves, as one whole data set."""
        self.given = given
        decided = decide([given])
        [self.labels], self.classes = decided.labels, decided.classes

    def stamp(self, position: int) -> tuple[int, int]:
        """Return size and time of change. Cached results are valid only while these are the same."""
        return 0, 0


def number(parts: Sequence[Items]) -> tuple[str, ...]:
    """Number the labels of all parts of a data set alike, and return a note if what was found are no labels.

    Raises UserError in that case if the user asked for these labels.
    """
    decided = decide([part.given for part in parts])
    asked = next((part for part in parts if part.asked), None)
    column = next((part.label for part in parts if part.label), None)
    called = f"the column '{column}'" if column else "the labels"
    if decided.why and asked is not None:
        raise UserError(f"{asked.where}: {f'{called}: ' if column else ''}{decided.why}{decided.fix}")
    for part, labels in zip(parts, decided.labels, strict=True):
        part.labels, part.classes = labels, decided.classes
    return (f"{called} {'is' if column else 'are'}{REFUSED}{decided.why}",) if decided.why else ()


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
