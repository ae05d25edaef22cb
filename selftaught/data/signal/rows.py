"""Text files with a series in each line, as the UCR archive has them: .tsv with the class first, or .csv."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.columns import named
from selftaught.data.labels import Given
from selftaught.data.signal.delimited import Unreadable, cells_of, is_number, number
from selftaught.data.signal.part import Part, label_among
from selftaught.data.signal.tables import NO_CHANNEL
from selftaught.errors import UserError
from selftaught.source import Skipped


def read(path: Path, label: str | None) -> Part:
    """Return the series of a file, each of one channel.

    Args:
        path: A line a series, with a line of names or without.
        label: The column of labels: a name, or a number from 1. By default one with a usual name; without names, the
            first or the last column if it has whole numbers, each several times, and the others have fractions.

    Raises UserError if the file holds no series.
    """
    try:
        header, rows = cells_of(path)
    except Unreadable as unreadable:
        raise UserError(f"{path}: {unreadable}") from None
    width = len(header) or max(map(len, rows))
    column = _column(header, width, label, path)
    skipped: list[Skipped] = []
    kept = list[list[str]]()
    names = []
    for line, row in enumerate(rows, 1 + bool(header)):
        wrong = next((one for i, one in enumerate(row) if i != column and one and not is_number(one)), None)
        if wrong is not None or len(row) != width:
            reason = f"{len(row)} columns, not {width}" if wrong is None else f"'{wrong[:40]}' is not a number"
            skipped.append({"path": f"{path.name}, line {line}", "reason": reason})
        else:
            kept.append(row)
            names.append(f"{path.name}, line {line}")
    if column is None and not header and kept:
        column = _labels_among(kept)
    apart = {i for i, name in enumerate(header) if name.lower() in NO_CHANNEL} | {column}
    used = [i for i in range(width) if i not in apart]
    series = np.array([[number(row[i]) for i in used] for row in kept]).reshape(len(kept), 1, len(used))
    given = Given(None if column is None else [_class(row[column]) for row in kept], len(kept))
    called = header[column] if header and column is not None else None
    options = frozenset(("label_column",))
    return Part(series, given, str(path), names, skipped=skipped, label=called, options=options)


def _column(header: tuple[str, ...], width: int, label: str | None, path: Path) -> int | None:
    """Return the position of the column of labels that is asked for, or has a usual name."""
    if header:
        found = label_among(header, label, str(path))
        return None if found is None else header.index(found)
    if label is None:
        return None
    numbers = [str(i + 1) for i in range(width)]
    return numbers.index(named(str(label), numbers, str(path), "--label-column"))


def _labels_among(rows: list[list[str]]) -> int | None:
    """Return the first or the last column if it alone has whole numbers, most of them more than once."""
    values = np.array([[number(one) for one in row] for row in rows])
    whole = _are_whole(values)
    if whole[1:-1].all():  # so are the samples: nothing tells the labels from them
        return None
    for i in (0, values.shape[1] - 1):
        if whole[i] and len(np.unique(values[:, i])) <= len(values) / 2:
            return i
    return None


def _are_whole(values: NDArray[Any]) -> NDArray[np.bool_]:
    known = np.where(np.isnan(values), 0, values)
    found: NDArray[np.bool_] = (known == np.rint(known)).all(0) & ~np.isnan(values).all(0)
    return found


def _class(cell: str) -> str | None:
    """Return the name of a class; 1.0 is called 1."""
    if is_number(cell) and number(cell) == np.rint(number(cell)):
        return str(int(number(cell)))
    return cell or None
