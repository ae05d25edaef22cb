"""Rows of text in .csv and .tsv files, with a header or without names.

What separates the columns is found in the first line. Cells are quoted as in RFC 4180, and may have line ends in them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from selftaught.data.columns import label_column
from selftaught.data.groups import absent
from selftaught.data.text.files import ROWS
from selftaught.data.text.records import GROUP, LONGEST, Bad, Record
from selftaught.errors import UserError

TEXT = "text"
"""The column of texts, unless another is asked for."""
NAMED = 8
"""Columns that are named when the wanted one is not among them."""


@final
@dataclass(frozen=True)
class Columns:
    """The columns to read, by name, or by number from 1 in a file without names.

    Args:
        text: That of the texts. A file with one column needs no name, unless its first line is one word, which may be a
            name.
        label: That of the labels; None = one with a usual name, if there is one.
        optional: Whether a file may lack the labels that are named.
        group: That of the groups; None = "group", if there is one.
    """

    text: str
    label: str | None = None
    group: str | None = None
    optional: bool = False

    @property
    def numbered(self) -> bool:
        """Whether columns are counted."""
        return self.text.isdecimal() and int(self.text) > 0


def rows(lines: Iterable[str], marks: str, columns: Columns, where: str) -> Iterator[tuple[int, Record | Bad]]:
    """Yield the rows with the number of their last line; a row without such a column, or damaged, is bad.

    Args:
        lines: The lines with their ends.
        marks: What may separate columns.
        columns: The columns to read.
        where: The name of the file.

    Raises UserError if no column is called like one that was asked for.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))  # the module has one limit, far less than a document
    kept = _Watched(lines)
    first = next(kept, "")
    mark = max(marks, key=first.count)
    reader = csv.reader(_again(first, kept), delimiter=mark)
    places: dict[str, int] | None = None
    called = ""
    while True:
        before = reader.line_num
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield reader.line_num, Bad(f"{where}: line {reader.line_num}", str(error))
            continue
        if row is None:
            return
        if not row:
            continue
        if places is None:
            places = _places(row, columns, where)
            if places["label"] >= 0:
                called = (columns.label or "") if columns.numbered else row[places["label"]]
            if not columns.numbered and columns.text in row:
                continue
        number, line = reader.line_num, f"{where}: line {before + 1}"
        if kept.ended:  # the reader asked for more than there is
            yield number, Bad(line, "a quote that begins in it is never closed")
        elif not 0 <= places["text"] < len(row):
            yield number, Bad(line, f"there is no column {places['text'] + 1} among {len(row)}")
        else:
            label, group = (row[at] if 0 <= (at := places[name]) < len(row) else "" for name in ("label", "group"))
            yield number, Record(row[places["text"]], line, label or None, group, called)


def has_text(path: Path) -> bool:
    """Return whether a file has a column that is called as that of texts is by default. Raises OSError."""
    with path.open("rb") as file:
        first = file.readline(1 << 16).decode("utf-8-sig", "replace").strip()
    return any(TEXT in next(csv.reader([first], delimiter=mark), []) for mark in ROWS.get(path.suffix.lower(), ""))


def _places(header: Sequence[str], columns: Columns, where: str) -> dict[str, int]:
    """Return where the columns are, -1 = nowhere, by the first row. Raises UserError."""
    if columns.numbered or columns.text not in header:
        if not columns.numbered and len(header) > 1:
            shown = ", ".join(repr(cell[:30]) for cell in header[:NAMED])
            raise UserError(
                f"{where} has no column '{columns.text}', but {shown}: choose one with --column NAME, or with "
                "--column NUMBER if the columns have no names"
            )
        if not columns.numbered and header[0].isidentifier():
            raise UserError(
                f"{where}, line 1: '{header[0]}' may be the name of the only column or a document: say --column "
                f"{header[0]} or --column 1"
            )
        label = columns.label if columns.label is None or not columns.optional or columns.label.isdecimal() else None
        numbers = {"text": columns.text if columns.numbered else "1", "label": label, "group": columns.group}
        for name, number in numbers.items():
            if number is not None and not (number.isdecimal() and 1 <= int(number) <= len(header)):
                option = {"text": "--column", "label": "--label-column", "group": "--groups"}[name]
                raise UserError(
                    f"{where}, line 1: there is no column {number} among {len(header)} without names for {option}"
                )
        return {name: -1 if number is None else int(number) - 1 for name, number in numbers.items()}
    label = label_column(header, columns.label if columns.label in header or not columns.optional else None, where)
    if columns.group is not None and columns.group not in header:
        raise absent(columns.group, where, header)
    group = columns.group or (GROUP if GROUP in header else None)
    named: dict[str, Any] = {"text": columns.text, "label": label, "group": group}
    return {name: -1 if one is None else header.index(one) for name, one in named.items()}


@final
class _Watched:
    """Lines that know whether more were asked for than there are."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            return next(self._lines)
        except StopIteration:
            self.ended = True
            raise


def _again(first: str, rest: Iterable[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest
