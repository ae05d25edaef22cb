"""Series in Parquet and Arrow: a row each, with a list of numbers a channel, or a number a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data import tables
from selftaught.data.columns import named
from selftaught.data.labels import Given
from selftaught.data.signal.part import Part, label_among
from selftaught.errors import UserError

NO_CHANNEL = frozenset(("id", "index", "idx", "row", "name", "group", "subject", "fold"))
"""Names of columns of numbers that say which series it is."""
OPTIONS = frozenset(("channels", "label_column"))


def holds_series(path: Path) -> bool:
    """Return whether a table has a column of lists of numbers, or many columns of numbers and few others."""

    def fits(schema: Any) -> bool:
        lists, numbers = _columns(schema, None)
        return bool(lists) or (len(numbers) >= 8 and len(numbers) >= len(schema.names) - 4)

    return tables.judged(path, fits)


def read(files: Sequence[Path], channels: tuple[str, ...], label: str | None) -> Part:
    """Return the series of tables of one part.

    Args:
        files: The tables.
        channels: Columns that are the channels, in this order; by default all lists of numbers, or else each number is
            a moment of a single channel.
        label: The column of labels; by default one with a usual name.

    Raises UserError if there are no such columns.
    """
    where = str(files[0])
    with tables.readable(where):
        schema = tables.schema(files[0])
        column = label_among(schema.names, label, where)
        lists, numbers = _columns(schema, column)
        if channels:
            used = [named(one, schema.names, where, "--channels") for one in channels]
            if wrong := [one for one in used if one not in lists]:
                raise UserError(f"{where}: the column '{wrong[0]}' has no lists of numbers: {_there(lists)}")
        else:
            used = lists or numbers
        if not used:
            raise UserError(f"{where}: no column has lists of numbers, and none numbers, so there are no series in it")
        table = tables.read(files, [*used, *([column] if column else [])])
        series = _of_lists(table, used) if lists else _of_numbers(table, used)
        values = table[column].to_pylist() if column else None
    given = Given(values, len(series), tables.class_names(schema.metadata, column))
    others: dict[str, Callable[[], Sequence[Any]]] = {name: partial(_column, files, name) for name in schema.names}
    return Part(series, given, where, label=column, table=others, options=OPTIONS)


def _there(lists: Sequence[str]) -> str:
    return f"those that have are {', '.join(lists)}" if lists else "no column has"


def _columns(schema: Any, label: str | None) -> tuple[list[str], list[str]]:
    """Return the columns of lists of numbers, and those of numbers that may be moments."""
    import pyarrow.types as types

    def is_number(kind: Any) -> bool:
        return bool(types.is_floating(kind) or types.is_integer(kind))

    def is_list(kind: Any) -> bool:
        return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))

    lists, numbers = [], []
    for field in schema:
        if field.name == label or field.name.startswith("__index"):
            continue
        if is_list(field.type):
            inner = field.type.value_type
            if is_number(inner.value_type if is_list(inner) else inner):
                lists.append(field.name)
        elif is_number(field.type) and field.name.lower() not in NO_CHANNEL:
            numbers.append(field.name)
    return lists, numbers


def _column(files: Sequence[Path], name: str) -> Sequence[Any]:
    found: list[Any] = tables.read(files, [name])[name].to_pylist()
    return found


def _of_lists(table: Any, columns: Sequence[str]) -> list[NDArray[Any]]:
    """Return [C, T] of each row. Channels of unequal length end with NaN, which is found later."""
    found = []
    for cells in zip(*(table[name].to_pylist() for name in columns), strict=True):
        rows = [row for cell in cells for row in _rows(cell)]
        one = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
        for channel, values in zip(one, rows, strict=True):
            channel[: len(values)] = values
        found.append(one)
    return found


def _rows(cell: Any) -> list[NDArray[np.float64]]:
    """Return the channels in one cell: one, or one for each inner list."""
    if not cell:
        return [np.zeros(0)]
    inner = cell if isinstance(cell[0], list) else [cell]
    return [np.array([np.nan if value is None else value for value in row], np.float64) for row in inner]


def _of_numbers(table: Any, columns: Sequence[str]) -> NDArray[Any]:
    """Return [N, 1, T]: each column is a moment."""
    rows = [table[name].to_numpy().astype(np.float64) for name in columns]
    found: NDArray[Any] = np.stack(rows, 1)[:, None]
    return found
