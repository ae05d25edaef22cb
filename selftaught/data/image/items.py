"""Images that are decoded on demand: the common interface of folders, Parquet rows, Hugging Face rows and sequences."""

from __future__ import annotations

import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.groups import Names, absent, is_column, numbered, values
from selftaught.data.image.axes import SHAPES, axis_of, with_channels
from selftaught.data.image.decode import PAGED, WIDE, Unreadable, chosen, decode, look
from selftaught.data.image.levels import IMAGES, as_bytes, check_type, is_wide, thinned
from selftaught.data.image.reading import DEFAULT, Axis, Reading
from selftaught.data.labels import Given, decide
from selftaught.data.told import labels_called, refused
from selftaught.errors import UserError
from selftaught.source import Skipped, evenly


class Items(ABC):
    """Encoded images, or arrays of any sizes, by position.

    Attributes:
        where: The name of the whole in messages.
        key: Identifies what was scanned, so that results can be cached; "" disables this.
        given: The labels as they were found, one an item.
        label: The column that they were found in, if there is one.
        columns: The options of columns that have an effect.
        asked: Whether the user said that these are the labels.
        labels: int64 [N], -1 = unknown; `number` sets them.
        classes: Names of the classes.
        groups: int64 [N], see `Source.groups`; None if the items have none.
        skipped: What was skipped before anything was read.
        paths: Whether the names are paths.
        pack: Whether small images should be copied to the cache.
        reading: What is read of each item.
        table: The columns of the table that lists the items or stands beside them, read when they are asked for.
    """

    where: str
    key: str = ""
    given: Given
    label: str | None = None
    columns: Sequence[str] = ()
    asked: bool = False
    labels: NDArray[np.int64]
    classes: Sequence[str] = ()
    groups: NDArray[np.int64] | None = None
    skipped: Sequence[Skipped] = ()
    paths: bool = False
    pack: bool = True
    reading: Reading = DEFAULT
    table: Mapping[str, Callable[[], Sequence[Any]]] = {}

    def column(self, name: str) -> Sequence[Any]:
        """Return a column of a table. Raises UserError if there is none of this name."""
        raise absent(name, self.where, ())

    def group(self, by: Any) -> None:
        """Group the items, see `data.groups`. Raises UserError if that is not possible.

        Of paths, text is a column of their table before it is a pattern.
        """
        if is_column(by) and by in self.table:
            self.groups = numbered(self.table[by]())
            return
        found = values(by, len(self), self.where, self.names)
        self.groups = numbered(self.column(str(by)) if found is None else found)

    @property
    def names(self) -> Names | None:
        """The paths of the items, if they are files."""
        return (lambda: [self.name(i) for i in range(len(self))]) if self.paths else None

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


def number(parts: Sequence[Items]) -> tuple[str, ...]:
    """Number the labels of all parts of a data set alike, and return a note if what was found are no labels.

    Raises UserError in that case if the user asked for these labels.
    """
    asked = next((part for part in parts if part.asked), None)
    column = next((part.label for part in parts if part.label), None)
    decided = decide([part.given for part in parts], ids=asked is not None and column is None)
    if decided.why and asked is not None:
        raise UserError(f"{asked.where}: {f'{labels_called(column)}: ' if column else ''}{decided.why}{decided.fix}")
    for part, labels in zip(parts, decided.labels, strict=True):
        part.labels, part.classes = labels, decided.classes
    return (refused(column, decided.why),) if decided.why else ()


def measure(items: Items, position: int) -> tuple[bytes, tuple[int, int, int, int]]:
    """Return (SHA-256 of the content, (H, W, C, marks)) of one item, fully decoded; see `decode.look`.

    Raises Unreadable or OSError.
    """
    data, reading = items.read(position), items.reading
    if isinstance(data, bytes):
        return hashlib.sha256(data).digest(), look(data, reading)
    values = _values(data, reading)
    height, width, channels = values.shape
    digest = hashlib.sha256(repr(values.shape).encode() + values.tobytes()).digest()
    more = reading.pages == "first" and data.ndim == 4
    return digest, (height, width, channels, WIDE * is_wide(values) + PAGED * more)


def values_of(items: Items, position: int, at_least: int = 0, reading: Reading | None = None) -> NDArray[Any]:
    """Return [H, W, C] of the type that the item has, read by `reading` (by default its own).

    Raises Unreadable or OSError.
    """
    data, reading = items.read(position), reading or items.reading
    if not isinstance(data, bytes):
        return _values(data, reading)
    values = decode(data, at_least, reading)
    if values.dtype.kind == "f":
        _checked(values)
    return values


def axis_of_items(parts: Sequence[Items], axis: Axis) -> tuple[Axis, str]:
    """Return the axis of arrays among the items of all parts that has the channels, see `axis_of`. Raises UserError."""
    shapes = []
    for items in parts:
        for position in evenly(len(items), SHAPES):
            try:
                data = items.read(int(position))
            except (OSError, Unreadable):
                continue
            if isinstance(data, bytes):
                break  # items of this kind are encoded
            if data.ndim in (3, 4):
                shapes.append(data.shape[-3:])
    return axis_of(shapes, axis, parts[0].where)


def sample(items: Items) -> list[NDArray[Any]]:
    """Return pixels [P, C] of evenly spaced items of more than 8 bits, to decide the range by."""
    found = []
    for position in evenly(len(items), IMAGES):
        with contextlib.suppress(OSError, Unreadable):
            values = values_of(items, int(position))
            if is_wide(values):
                found.append(thinned(values).copy())
    return found


def _values(array: NDArray[Any], reading: Reading) -> NDArray[Any]:
    """Return [H, W, C] of an array [H, W], [H, W, C] or [C, H, W], or of the pages [P, ...] of such arrays."""
    try:
        pages = with_channels(array if array.ndim == 4 else array[None], "image", reading.axis)  # [P, H, W, C]
    except UserError as error:
        raise Unreadable(str(error).removeprefix("image: ")) from None
    if isinstance(reading.pages, int) and reading.pages >= len(pages):
        raise Unreadable(f"it has no page {reading.pages + 1}")
    values = pages[reading.pages if isinstance(reading.pages, int) else 0]
    if reading.pages == "channels":
        values = np.concatenate(list(pages), axis=2)
    _checked(values)
    if values.dtype.kind == "b":
        values = as_bytes(values, None)
    return np.ascontiguousarray(chosen(values, reading))


def _checked(values: NDArray[Any]) -> None:
    try:
        check_type(values, "image")
    except UserError as error:
        raise Unreadable(str(error).removeprefix("image: ")) from None
