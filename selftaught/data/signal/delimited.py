"""Text files with one series each: a line for each moment, a column for each channel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selftaught.data.columns import named
from selftaught.data.signal.part import label_among
from selftaught.errors import UserError

SUFFIXES = (".csv", ".tsv")
TIMES = frozenset(("", "time", "timestamp", "timestamps", "time_stamp", "date", "datetime", "t", "index", "ms", "sec"))
"""Names of columns that say when, not what."""
MISSING = frozenset(("", "?", "nan", "na", "n/a", "null", "none"))
MOMENT = re.compile(r"[\d:/.T -]+\d(Z|[+-]\d\d:?\d\d)?")
"""What a date or a time looks like."""
LOOKED_AT = 5
"""Lines by which a file is told to hold numbers."""


class Table(NamedTuple):
    """One series, and what its file says besides.

    Args:
        series: float64 [C, T], NaN where a number is missing.
        columns: The names of the channels; () without a header.
        label: The one value of the column of labels, None if there is no such column or it has several.
        varies: Whether the column of labels has several.
    """

    series: NDArray[np.float64]
    columns: tuple[str, ...]
    label: str | None
    varies: bool = False


class Unreadable(Exception):
    """The file is no series of numbers: why."""


def read(path: Path, channels: tuple[str, ...] = (), label: str | None = None) -> Table:
    """Return the series in a file.

    Args:
        path: Comma, semicolon, tab or blanks between the columns, with a line of names or without.
        channels: The columns that are channels; by default all with numbers that are neither times nor labels.
        label: The column of labels; by default one with a usual name.

    Raises Unreadable with a reason, and UserError for a column that is not there.
    """
    header, rows = cells_of(path)
    wide = next((i for i, row in enumerate(rows) if len(row) != len(rows[0])), None)
    if wide is not None or (header and len(header) != len(rows[0])):
        at = 0 if wide is None else wide
        expected = len(header) if header else len(rows[0])
        raise Unreadable(f"line {at + 1 + bool(header)} has {len(rows[at])} columns, not {expected}")
    if not header and (channels or label):
        raise UserError(f"{path}: its columns have no names, so --channels and --label-column cannot choose: add names")
    return _chosen(path, header, list(zip(*rows, strict=True)), channels, label)


def cells_of(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return the names of the columns, () without, and the cells of every line. Raises Unreadable."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start} is not UTF-8") from None
    if not lines:
        raise Unreadable("empty file")
    mark = _delimiter(lines[0])
    rows = [_cells(line, mark) for line in lines]
    header = tuple(rows.pop(0)) if any(cell and not is_number(cell) for cell in rows[0]) else ()
    if not rows:
        raise Unreadable("names of columns and no numbers")
    return header, rows


def _chosen(
    path: Path, header: tuple[str, ...], columns: list[tuple[str, ...]], channels: tuple[str, ...], label: str | None
) -> Table:
    plain = [name.lower() for name in header]
    named_label = label_among(header, label, str(path))
    if channels:
        used = [header.index(named(one, header, str(path), "--channels")) for one in channels]
    else:
        apart = {i for i, name in enumerate(plain) if name in TIMES or header[i] == named_label}
        used = [i for i in range(len(columns)) if i not in apart and any(map(is_number, columns[i]))]
    if not used:
        raise Unreadable("no column of numbers")
    try:
        series = np.array([[number(cell) for cell in columns[i]] for i in used])
    except ValueError as error:
        raise Unreadable(f"{str(error).split(': ')[-1]} is not a number") from None
    told = set(columns[header.index(named_label)]) if named_label is not None else set()
    value = next(iter(told)) if len(told) == 1 else None
    return Table(series, tuple(header[i] for i in used) if header else (), value, len(told) > 1)


def holds_numbers(path: Path) -> bool:
    """Return whether a file is a series by its first lines: numbers, besides moments and a column of labels.

    Texts and paths among the columns make it something else.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = [line.strip() for _, line in zip(range(LOOKED_AT), file, strict=False)]
    except (OSError, UnicodeDecodeError):
        return False
    lines = [line for line in lines if line]
    if not lines:
        return False
    first, last = (_cells(line, _delimiter(lines[0])) for line in (lines[0], lines[-1]))
    if len(first) != len(last):
        return False
    label = label_among(first, None, str(path))
    others = [cell for name, cell in zip(first, last, strict=True) if name != label and not MOMENT.fullmatch(cell)]
    return any(map(is_number, last)) and all(cell == "" or is_number(cell) for cell in others)


def _delimiter(line: str) -> str | None:
    """Return what stands between the columns; None = blanks."""
    return next((mark for mark in (";", "\t", ",") if mark in line), None)


def _cells(line: str, mark: str | None) -> list[str]:
    cells = [cell.strip().strip('"') for cell in line.split(mark)]
    return [cell.replace(",", ".") for cell in cells] if mark == ";" else cells  # where a comma is the decimal point


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, or says that one is missing; an empty one does neither."""
    if cell.lower() in MISSING:
        return cell != ""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def number(cell: str) -> float:
    """Return the number in a cell, NaN if it is missing. Raises ValueError for anything else."""
    return float("nan") if cell.lower() in MISSING else float(cell)
