"""Tables that list images: a file of paths, and labels.csv or metadata.csv beside the images of a folder."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import final

from selftaught.data.columns import label_column
from selftaught.data.folders import shown
from selftaught.data.image.decode import Unreadable, most_bytes
from selftaught.data.image.items import Items
from selftaught.data.image.names import is_named
from selftaught.data.labels import as_labels
from selftaught.errors import UserError
from selftaught.source import Skipped

SUFFIXES = (".csv", ".tsv", ".txt", ".lst")
"""Files that may list images. Those of the last two have a path in each line, and perhaps a label after a blank."""
BESIDE = ("metadata.csv", "metadata.jsonl", "labels.csv")
"""Tables that label the images of their folder, the first one first."""
FILES = (
    "file_name", "filename", "file", "filepath", "file_path", "path", "image", "image_path", "img", "img_path",
    "image_name", "image_id", "name", "id",
)  # fmt: skip
"""Usual names of the column that has the images."""
LOOKED_AT = 20


@final
@dataclass(frozen=True)
class Row:
    """One image of a table: the number of its line, its path as it is written, and its label (None = none)."""

    line: int
    path: str
    label: str | None


def rows(table: Path) -> Iterator[Row]:
    """Yield the rows of a table. Raises UserError, with the line, if it cannot be read."""
    try:
        with table.open(encoding="utf-8-sig", errors="strict", newline="") as file:
            if table.suffix.lower() in (".csv", ".tsv"):
                yield from _of_columns(file, table)
            elif table.suffix.lower() == ".jsonl":
                yield from _of_objects(file, table)
            else:
                yield from _of_lines(file)
    except UnicodeDecodeError as error:
        raise UserError(f"{table}: it is not text in UTF-8 ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise UserError(f"{table}: cannot be read: {error.strerror}") from None


def _of_lines(file: io.TextIOBase) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        path, _, label = text.partition("\t") if "\t" in text else (text, "", "")
        if not label and not is_named(os.path.basename(path)):  # "a picture.png 3": the label follows the last blank
            front, _, back = text.rpartition(" ")
            path, label = (front.strip(), back) if is_named(os.path.basename(front.strip())) else (text, "")
        yield Row(number, path, label.strip() or None)


def _of_objects(file: io.TextIOBase, table: Path) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise UserError(f"{table}, line {number}: it is not JSON ({error})") from None
        path = next((found[name] for name in FILES if name in found), None) if isinstance(found, dict) else None
        if not isinstance(path, str):
            raise UserError(f"{table}, line {number}: it names no image: give each line a key 'file_name'")
        label = found.get(label_column(list(found)))
        yield Row(number, path, str(label) if isinstance(label, str | int) else None)


def _of_columns(file: io.TextIOBase, table: Path) -> Iterator[Row]:
    reader = csv.reader(file, delimiter=_delimiter(file, table), strict=True)
    columns: tuple[int, int | None] | None = None
    width = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                width = len(cells)
                columns, header = _columns([cell.strip() for cell in cells])
                if header:
                    continue
            if len(cells) != width:
                raise UserError(
                    f"{table}, line {reader.line_num}: {len(cells)} columns, but there are {width} above it"
                )
            label = None if columns[1] is None else cells[columns[1]].strip()
            yield Row(reader.line_num, cells[columns[0]].strip(), label or None)
    except csv.Error as error:
        raise UserError(f"{table}, line {reader.line_num}: it cannot be read as a table ({error})") from None


def _delimiter(file: io.TextIOBase, table: Path) -> str:
    first = file.readline()
    file.seek(0)
    if table.suffix.lower() == ".tsv":
        return "\t"
    return max(",;\t", key=first.count)


def _columns(cells: list[str]) -> tuple[tuple[int, int | None], bool]:
    """Return the positions of image and label, and whether `cells` are their names."""
    names = [cell.lower() for cell in cells]
    usual = next((name for name in FILES if name in names), None)
    label = label_column(names)
    if any(is_named(os.path.basename(cell)) for cell in cells) or (usual is None and label is None):
        image = next((i for i, cell in enumerate(cells) if is_named(os.path.basename(cell))), 0)
        return (image, 1 - image if len(cells) == 2 else None), False
    image = names.index(usual) if usual else next(i for i, name in enumerate(names) if name != label)
    if label is not None and label != usual:
        return (image, names.index(label)), True
    return (image, 1 - image if len(cells) == 2 else None), True


def lists_images(table: Path) -> bool:
    """Return whether a file lists images that are there, judging by its first rows."""
    try:
        return any(
            is_named(os.path.basename(row.path)) and table.parent.joinpath(row.path).is_file()
            for row in islice(rows(table), LOOKED_AT)
        )
    except (UserError, OSError, ValueError):
        return False


def ordered(labels: Sequence[str | None]) -> list[str]:
    """Return the names of classes: by number if all are whole numbers, else by name."""
    names = sorted({label for label in labels if label is not None})
    return sorted(names, key=int) if all(name.lstrip("-").isdecimal() for name in names) else names


@final
class ListedItems(Items):
    """The images that a file lists, in its order. Paths are relative to the folder of the file."""

    def __init__(self, table: Path) -> None:
        self._folder = table.parent
        self._rows = list(rows(table))
        self.where = shown(str(table))
        self.key = f"list {os.path.realpath(table)}"
        if not self._rows:
            raise UserError(f"{self.where}: it lists no image: write one path in each line")
        labels = [row.label for row in self._rows]
        self.labels, self.classes = as_labels(labels if any(labels) else None, len(labels), self.where, ordered(labels))

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, position: int) -> str:
        """Return the path as it is written."""
        return shown(self._rows[position].path)

    def stamp(self, position: int) -> tuple[int, int]:
        """Return the size in bytes and the time of the last change in nanoseconds; zeros if there is no such file."""
        try:
            at = os.stat(self._folder.joinpath(self._rows[position].path))
        except (OSError, ValueError):
            return 0, 0
        return at.st_size, at.st_mtime_ns

    def read(self, position: int) -> bytes:
        """Read the whole file."""
        row = self._rows[position]
        try:
            with self._folder.joinpath(row.path).open("rb") as file:
                data = file.read(most_bytes() + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise Unreadable(f"{self.where}, line {row.line}: cannot be read: {reason}") from None
        if len(data) > most_bytes():
            raise Unreadable(f"more than {most_bytes()} bytes")
        return data


@final
@dataclass(frozen=True)
class Labels:
    """What a table says of the images of a folder.

    Args:
        owners: The label of each image, None if it has none.
        skipped: Rows whose image is not there.
        line: States what was found, for the user.
    """

    owners: list[str | None]
    skipped: list[Skipped]
    line: str


def beside(root: Path, files: Sequence[str], above: Path | None = None) -> Labels | None:
    """Return the labels that a table in `root`, or in `above` it, has for its images; None if there is no such table.

    A row names an image by its path from the folder of the table, or by its name alone, with or without its extension,
    if only one image has it.
    """
    places = [root, *([above] if above is not None else [])]
    table = next((place / name for place in places for name in BESIDE if (place / name).is_file()), None)
    if table is None:
        return None
    start = "" if table.parent == root else f"{os.path.relpath(root, table.parent)}/"
    known = _known([start + file for file in files])
    owners: list[str | None] = [None] * len(files)
    named, skipped = set[int](), list[Skipped]()
    missing = 0
    for row in rows(table):
        position = next((known[key] for key in _keys(row.path) if key in known), None)
        if position is not None:
            owners[position] = row.label
            named.add(position)
        elif not start or os.path.normpath(row.path).startswith(start):  # others belong to the other parts
            missing += 1
            skipped.append({"path": shown(row.path), "reason": f"{shown(str(table))}, line {row.line}: no such image"})
    if not named:
        return None
    without = [file for position, file in enumerate(files) if position not in named]
    return Labels(owners, skipped, _stated(table, owners, [one["path"] for one in skipped], without))


def _known(paths: Sequence[str]) -> dict[str, int]:
    """Return {key: position}: each path, and each name with and without its extension that only one path has."""
    known = {os.path.normpath(path): position for position, path in enumerate(paths)}
    names = [os.path.basename(path) for path in paths]
    for form in (names, [os.path.splitext(name)[0] for name in names]):
        count = Counter(form)
        for position, name in enumerate(form):
            if count[name] == 1:
                known.setdefault(name, position)
    return known


def _keys(path: str) -> Iterator[str]:
    yield os.path.normpath(path.replace("\\", "/"))
    yield os.path.basename(path.replace("\\", "/"))


def _stated(table: Path, owners: Sequence[str | None], missing: Sequence[str], without: Sequence[str]) -> str:
    labelled = sum(owner is not None for owner in owners)
    parts = [f"{labelled:,} labels from {shown(table.name)}"]
    for what, names in (("rows without an image", missing), ("images without a row", without)):
        if names:
            parts.append(
                f"{len(names):,} {what} ({', '.join(map(shown, names[:3]))}{', ...' if len(names) > 3 else ''})"
            )
    return f"{shown(str(table.parent))}: {', '.join(parts)}"
