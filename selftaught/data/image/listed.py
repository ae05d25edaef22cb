"""Tables that list images: a file of paths, and labels.csv or metadata.csv beside the images of a folder."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, final

from selftaught.data.columns import label_column, named
from selftaught.data.folders import shown
from selftaught.data.image.columns import COLUMNS
from selftaught.data.image.decode import Unreadable, most_bytes
from selftaught.data.image.items import Items
from selftaught.data.image.names import is_named
from selftaught.data.labels import Given, as_text
from selftaught.data.layout import side
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
    label: Any


def rows(table: Path, image: str | None = None, label: str | None = None) -> Iterator[Row]:
    """Yield the rows of a table. Raises UserError, with the line, if it cannot be read.

    `image` and `label` name the columns where their names do not tell.
    """
    try:
        with table.open(encoding="utf-8-sig", errors="strict", newline="") as file:
            if has_columns(table):
                yield from _of_columns(file, table, image, label)
            elif table.suffix.lower() == ".jsonl":
                yield from _of_objects(file, table, image, label)
            else:
                yield from _of_lines(file)
    except UnicodeDecodeError as error:
        raise UserError(f"{table}: it is not text in UTF-8 ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise UserError(f"{table}: cannot be read: {error.strerror}") from None


def names(table: Path) -> tuple[str, ...]:
    """Return the names of the columns of a table; none if it has no header, or cannot be read."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            if has_columns(table):
                reader = csv.reader(file, delimiter=_delimiter(file, table), strict=True)
                cells = [cell.strip() for cell in next((row for row in reader if any(map(str.strip, row))), [])]
                return tuple(cells) if cells and _columns(cells, str(table), None, None)[1] else ()
            if table.suffix.lower() == ".jsonl":
                found = json.loads(next((line for line in file if line.strip()), "{}"))
                return tuple(found) if isinstance(found, dict) else ()
    except (OSError, ValueError, csv.Error):
        pass
    return ()


def has_columns(table: Path) -> bool:
    """Return whether the rows of a file have columns; else they are lines."""
    return table.suffix.lower() in (".csv", ".tsv")


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


def _of_objects(file: io.TextIOBase, table: Path, image: str | None, label: str | None) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise UserError(f"{table}, line {number}: it is not JSON ({error})") from None
        here = f"{table}, line {number}"
        keys = list(found) if isinstance(found, dict) else []
        key = next((name for name in FILES if name in keys), None) if image is None else image
        if key is None or not isinstance(found.get(key), str):
            raise UserError(f"{here}: it names no image: give each line a key 'file_name', or name it (--image-column)")
        value = label_column(keys, label, here)
        yield Row(number, found[key], None if value is None else as_text(found[value]))


def _of_columns(file: io.TextIOBase, table: Path, image: str | None, label: str | None) -> Iterator[Row]:
    reader = csv.reader(file, delimiter=_delimiter(file, table), strict=True)
    columns: tuple[int, int | None] | None = None
    width = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                width = len(cells)
                columns, header = _columns([cell.strip() for cell in cells], str(table), image, label)
                if header:
                    continue
            if len(cells) != width:
                raise UserError(
                    f"{table}, line {reader.line_num}: {len(cells)} columns, but there are {width} above it"
                )
            value = None if columns[1] is None else as_text(cells[columns[1]])
            yield Row(reader.line_num, cells[columns[0]].strip(), value)
    except csv.Error as error:
        raise UserError(f"{table}, line {reader.line_num}: it cannot be read as a table ({error})") from None


def _delimiter(file: io.TextIOBase, table: Path) -> str:
    first = file.readline()
    file.seek(0)
    if table.suffix.lower() == ".tsv":
        return "\t"
    return max(",;\t", key=first.count)


def _columns(cells: list[str], where: str, image: str | None, label: str | None) -> tuple[tuple[int, int | None], bool]:
    """Return the positions of image and label, and whether `cells` are their names."""
    names = [cell.lower() for cell in cells]
    usual, usual_label = next((name for name in FILES if name in names), None), label_column(names)
    if image is None and label is None:
        pictures = [i for i, cell in enumerate(cells) if is_named(os.path.basename(cell))]
        if pictures or (usual is None and usual_label is None):
            return _two(next(iter(pictures), 0), None, cells), False
    at_label = None if usual_label is None else names.index(usual_label)
    if label is not None:
        at_label = cells.index(named(label, cells, where, "--label-column"))
    if image is not None:
        at_image = cells.index(named(image, cells, where, "--image-column"))
    else:
        at_image = names.index(usual) if usual else next((i for i in range(len(cells)) if i != at_label), 0)
    return _two(at_image, at_label, cells), True


def _two(image: int, label: int | None, cells: Sequence[str]) -> tuple[int, int | None]:
    """Return the positions of image and label; of two columns, the other one is the label."""
    if label is None or label == image:
        label = 1 - image if len(cells) == 2 else None
    return image, label


def lists_images(table: Path) -> bool:
    """Return whether a file lists images that are there, judging by its first rows."""
    try:
        return any(
            is_named(os.path.basename(row.path)) and table.parent.joinpath(row.path).is_file()
            for row in islice(rows(table), LOOKED_AT)
        )
    except (UserError, OSError, ValueError):
        return False


@final
class ListedItems(Items):
    """The images that a file lists, in its order. Paths are relative to the folder of the file."""

    def __init__(self, table: Path, image: str | None = None, label: str | None = None) -> None:
        self._folder = table.parent
        self._rows = list(rows(table, image, label))
        self.where = shown(str(table))
        self.key = f"list {os.path.realpath(table)}"
        if not self._rows:
            raise UserError(f"{self.where}: it lists no image: write one path in each line")
        self.paths = True
        self.columns = COLUMNS if has_columns(table) else ()
        self.asked, self.label = label is not None, label
        self.given = Given([row.label for row in self._rows], len(self._rows))
        self.table = {name: partial(_column, table, image, name) for name in names(table)}

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


def _column(table: Path, image: str | None, name: str) -> list[Any]:
    return [row.label for row in rows(table, image, name)]


@final
@dataclass(frozen=True)
class Beside:
    """What the tables beside the images of a folder say.

    Args:
        owners: The label of each image, by its position.
        skipped: Rows whose image is not there.
        notes: States for each table what was found, given the positions of the images that are used.
    """

    owners: dict[int, Any]
    skipped: list[Skipped]
    notes: Callable[[set[int]], tuple[str, ...]]


def beside(
    root: Path, files: Sequence[str], tables: Sequence[str], image: str | None = None, label: str | None = None
) -> Beside:
    """Return the labels that tables have for the images of a folder. All paths are below `root`.

    A table labels the images below its own folder, which is the root, or one that all images are in, or one that is
    called like a part. The nearest table that names an image labels it; of several in one folder, the first of
    `BESIDE`. A row names an image by its path from the folder of the table, or by its name alone, with or without its
    extension, if only one image has it.
    """
    whole = os.path.commonpath([os.path.dirname(file) for file in files]) if files and tables else ""
    places: dict[str, str] = {}
    for table in sorted(tables, key=lambda path: BESIDE.index(os.path.basename(path))):
        folder = os.path.dirname(table)
        if not folder or f"{whole}/".startswith(f"{folder}/") or side(os.path.basename(folder)):
            places.setdefault(folder, table)
    owners: dict[int, Any] = {}
    skipped = list[Skipped]()
    said = list[tuple[str, set[int], set[int], list[str]]]()
    for folder, table in sorted(places.items(), key=lambda one: -len(one[0])):
        start = f"{folder}/" if folder else ""
        inside = [position for position, file in enumerate(files) if file.startswith(start)]
        known = _known([files[position][len(start) :] for position in inside])
        listed, missing = dict[int, Any](), list[Skipped]()
        for row in rows(root / table, image, label):
            at = next((known[key] for key in _keys(row.path) if key in known), None)
            if at is not None:
                listed[inside[at]] = row.label
            else:
                reason = f"{shown(str(root / table))}, line {row.line}: no such image"
                missing.append({"path": shown(row.path), "reason": reason})
        if listed:  # else it is a table of something else
            owners = listed | owners
            skipped += missing
            said.append((shown(table), set(listed), set(inside), [one["path"] for one in missing]))

    def notes(used: set[int]) -> tuple[str, ...]:
        return tuple(
            _stated(table, sum(owners[i] is not None for i in mine & used), missing,
                    [files[i] for i in sorted(inside & used - owners.keys())])
            for table, mine, inside, missing in said
            if mine & used
        )  # fmt: skip

    return Beside(owners, skipped, notes)


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


def _stated(table: str, labelled: int, missing: Sequence[str], without: Sequence[str]) -> str:
    parts = [f"{labelled:,} labels from {table}"]
    for what, names in (("rows without an image", missing), ("images without a row", without)):
        if names:
            more = ", ..." if len(names) > 3 else ""
            parts.append(f"{len(names):,} {what} ({', '.join(map(shown, names[:3]))}{more})")
    return ", ".join(parts)
