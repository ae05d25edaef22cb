"""WebDataset shards: .tar files in which the files of one sample share a name, ``0001.jpg`` and ``0001.cls``.

The headers are read, never a whole archive, and nothing is unpickled.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, final

from selftaught import errors
from selftaught.data.columns import label_column, named
from selftaught.data.folders import shown
from selftaught.data.image.decode import Unreadable, most_bytes
from selftaught.data.image.items import Items
from selftaught.data.image.names import SUFFIXES, is_named
from selftaught.data.labels import Given, as_text
from selftaught.data.workers import spread
from selftaught.errors import UserError
from selftaught.source import Skipped

SUFFIX = ".tar"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
BLOCK = 512
END = bytes(BLOCK)
LOOKED_AT = 20
MOST = 1_000_000
"""Shards of one pattern."""
SMALL = 1 << 20  # bytes; a larger file of labels is none
FILE, LONG_NAME, EXTENDED, GLOBAL = (b"0", b"\0", b"7"), b"L", b"x", b"g"
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_CHOICE = re.compile(r"\{([^{}]*,[^{}]*)\}")


class Member(NamedTuple):
    """A file in a shard: its name, where it begins, and its size in bytes."""

    name: str
    at: int
    size: int


def members(path: Path) -> Iterator[Member]:
    """Yield the regular files of a .tar file (ustar, GNU or pax), reading headers alone.

    Raises UserError, with the place in the file, if it is not one.
    """
    try:
        with path.open("rb") as file:
            yield from _members(file, path, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _members(file: BinaryIO, path: Path, end: int) -> Iterator[Member]:
    at, name, size = 0, "", -1  # name and size, where a header before says them
    while at < end:
        file.seek(at)
        header = file.read(BLOCK)
        if header == END:
            return
        if not _valid(header):
            raise UserError(f"{path}: damaged, or not a .tar file: no header at byte {at:,}")
        length = size if size >= 0 else _number(header[124:136])
        kind, body = header[156:157], at + BLOCK
        if body + length > end:
            raise UserError(f"{path}: truncated: a file of {length:,} bytes begins at byte {body:,} of {end:,}")
        at = body + -(-length // BLOCK) * BLOCK
        if kind in (LONG_NAME, EXTENDED):
            said = file.read(min(length, SMALL))
            if kind == LONG_NAME:
                name = _text(said)
            else:
                name, size = _extended(said, name, size)
            continue
        if kind in FILE:
            prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
            yield Member(name or (f"{prefix}/" if prefix else "") + _text(header[:100]), body, length)
        if kind != GLOBAL:
            name, size = "", -1


def _valid(header: bytes) -> bool:
    with suppress(ValueError):
        said = header[148:156]  # counted as blanks
        return len(header) == BLOCK and _number(said) == sum(header) - sum(said) + 8 * 32
    return False


def _number(field: bytes) -> int:
    """Raises ValueError if the field is no number."""
    if field[0] & 0x80:  # base 256, of GNU tar, for what octal digits cannot hold
        return int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    return int(field.split(b"\0", 1)[0].strip() or b"0", 8)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _extended(data: bytes, name: str, size: int) -> tuple[str, int]:
    """Return what a pax header says, "LENGTH KEY=VALUE" in each line, of name and size."""
    while data:
        length, _, _ = data.partition(b" ")
        if not length.isdigit() or int(length) <= len(length) + 1:
            break
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        if key == b"path":
            name = _text(value)
        elif key == b"size" and value.isdigit():
            size = int(value)
        data = data[int(length) :]
    return name, size


def expanded(pattern: str) -> list[Path]:
    """Return the paths of a pattern with braces: ``train-{000..127}.tar``, ``{train,extra}-0.tar``."""
    for form in (_RANGE, _CHOICE):
        found = form.search(pattern)
        if found:
            before, after = pattern[: found.start()], pattern[found.end() :]
            values = found[1].split(",") if form is _CHOICE else _numbers(found[1], found[2])
            return [path for value in values for path in expanded(before + value + after)]
    return [errors.expanded(pattern)]


def _numbers(first: str, last: str) -> list[str]:
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}}" for number in range(int(first), min(int(last), int(first) + MOST) + 1)]


def holds_images(path: Path) -> bool:
    """Return whether one of the first files of a shard has the name of an image."""
    try:
        return any(is_named(os.path.basename(member.name)) for member in islice(members(path), LOOKED_AT))
    except (UserError, OSError):
        return False


def is_pattern(name: str) -> bool:
    """Return whether a name is a pattern of shards, not a path."""
    return name.endswith(SUFFIX) and bool(_RANGE.search(name) or _CHOICE.search(name))


def shards(pattern: str) -> list[Path]:
    """Return the shards that a pattern names, in its order. Raises UserError if one is not there."""
    found = expanded(pattern)
    gone = [path for path in found if not path.is_file()]
    if gone:
        raise UserError(f"{pattern}: {len(gone):,} of {len(found):,} shards are not there, the first is {gone[0]}")
    return found


@final
class TarItems(Items):
    """The images of shards, in order. The label of an image is in the file of the same name that ends in .cls or .json.

    A name ends at the first dot after its folder. A .json file has the label under the key `label`, by default one of
    the usual names of labels.
    """

    def __init__(self, paths: Sequence[Path], label: str | None = None) -> None:
        self._paths = list(paths)
        self.where = shown(str(paths[0] if len(paths) == 1 else paths[0].parent))
        self.key = f"tar {[os.path.realpath(path) for path in paths]}"
        root = os.path.commonpath([path.parent for path in paths])
        self._names = [shown(os.path.relpath(path, root)) for path in paths]
        self._stamps = [(path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
        self._images: list[tuple[int, Member]] = []
        self.skipped: list[Skipped] = []
        self.paths = True
        self._key, self.asked, self.label = label, label is not None, label
        found: list[Any] = []
        for shard, (images, known) in enumerate(spread(self._shard, range(len(paths)))):
            self._images += [(shard, image) for image in images]
            found += known
        if not self._images:
            raise UserError(f"{self.where}: no image in {len(paths):,} shards (files such as 0001.jpg with 0001.cls)")
        self.given = Given(found, len(found))

    def _shard(self, shard: int) -> tuple[list[Member], list[Any]]:
        images: dict[str, Member] = {}
        beside: dict[str, Member] = {}
        for member in members(self._paths[shard]):
            folder, _, name = member.name.rpartition("/")
            key, _, kind = name.partition(".")
            place = f"{folder}/{key}"
            if f".{kind.rpartition('.')[2].lower()}" in SUFFIXES:
                images.setdefault(place, member)
            elif kind == "json" or (kind == "cls" and self._key is None):
                beside[place] = member if kind == "cls" else beside.get(place, member)
        with self._paths[shard].open("rb") as file:
            labels = [self._label(file, shard, beside[place]) if place in beside else None for place in images]
        return list(images.values()), labels

    def _label(self, file: BinaryIO, shard: int, member: Member) -> Any:
        file.seek(member.at)
        data = file.read(member.size) if member.size <= SMALL else b""
        here = f"{shown(str(self._paths[shard]))}, {shown(member.name)}"
        try:
            text = data.decode("utf-8").strip()
            if member.name.endswith(".cls"):
                return text or None
            found = json.loads(text)
        except ValueError as error:
            raise UserError(f"{here}: cannot be read as {member.name.rpartition('.')[2]}: {error}") from None
        if not isinstance(found, dict):
            return as_text(found)
        self.columns = ("--label-column",)
        key = named(self._key, list(found), here, "--label-column") if self._key else label_column(list(found))
        return as_text(found.get(key))

    def __len__(self) -> int:
        return len(self._images)

    def name(self, position: int) -> str:
        """Return the shard and the name in it: ``train-000.tar/0001.jpg``."""
        shard, member = self._images[position]
        return f"{self._names[shard]}/{shown(member.name)}"

    def stamp(self, position: int) -> tuple[int, int]:
        """Return size and time of the shard."""
        return self._stamps[self._images[position][0]]

    def read(self, position: int) -> bytes:
        """Read the image out of its shard."""
        shard, member = self._images[position]
        if member.size == 0:
            raise Unreadable("empty file")
        if member.size > most_bytes():
            raise Unreadable(f"{member.size} bytes are more than {most_bytes()}")
        with self._paths[shard].open("rb") as file:
            file.seek(member.at)
            return file.read(member.size)
