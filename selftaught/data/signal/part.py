"""One part of a data set as it was read, and what of it can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.columns import label_column
from selftaught.data.groups import absent, is_column, numbered, values
from selftaught.data.labels import Given
from selftaught.errors import UserError
from selftaught.source import Index, Labels, Skipped

FEWEST = 2
"""Samples of a series below which nothing changes in it."""
LARGEST = 1e18
"""Larger numbers have no finite square in float32."""
BLOCK = 32 << 20
"""Bytes of an array that are looked at together, so that one in a file never has to fit in memory."""


@final
@dataclass(frozen=True)
class Part:
    """Series of one part.

    Args:
        series: An array [N, C, T], or one float [C, T] each. NaN at the end of all channels is no part of a series.
        given: The labels as they were found, one a series.
        where: The name of the whole in messages.
        names: What the series are called, if they are files.
        called: What one of them is called where it has no name: "row", "case".
        skipped: What could not be read.
        label: The column of the labels.
        table: Further columns, read when they are asked for.
        options: The options of the kind that had an effect.
        reading: Options that the data decided.
        notes: What else there is to say.
    """

    series: NDArray[Any] | Sequence[NDArray[Any]]
    given: Given
    where: str
    names: Sequence[str] | None = None
    called: str = "row"
    skipped: Sequence[Skipped] = ()
    label: str | None = None
    table: Mapping[str, Callable[[], Sequence[Any]]] = field(default_factory=dict)
    options: frozenset[str] = frozenset()
    reading: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def name(self, row: int) -> str:
        """Return what a series is called."""
        return f"{self.called} {row}" if self.names is None else self.names[row]

    def grouped(self, by: Any) -> Labels | None:
        """Return groups, int64 [N], see `data.groups`. Raises UserError if that is not possible."""
        if by is None:
            return None
        if is_column(by) and by in self.table:
            return numbered(self.table[by]())
        names = self.names
        found = values(by, len(self.series), self.where, None if names is None else lambda: list(names))
        if found is None:
            raise absent(by, self.where, list(self.table))
        return numbered(found)


class Usable(NamedTuple):
    """What of a part can be used: the series, those of its rows that are samples, and why others are not."""

    series: NDArray[Any] | Sequence[NDArray[Any]]
    rows: Index
    skipped: list[Skipped]


def usable(part: Part, channels: int) -> Usable:
    """Return the series of a part that have these channels, at least two samples, and finite numbers alone."""
    if isinstance(part.series, np.ndarray):
        bad = _bad_rows(part.series)
        if not len(bad) and part.series.shape[1] == channels and part.series.shape[2] >= FEWEST:
            return Usable(part.series, np.arange(len(part.series)), [])
        cut = {int(row): ended(part.series[row]) for row in bad}
        if not any(one.shape[1] < part.series.shape[2] for one in cut.values()):
            reasons = {row: reason for row, one in cut.items() if (reason := why_not(one, channels))}
            if part.series.shape[1] != channels or part.series.shape[2] < FEWEST:
                reasons = {row: why_not(part.series[row], channels) for row in range(len(part.series))}
            return _without(part, part.series, reasons)
    found = [ended(np.asarray(one, np.float64)) for one in part.series]
    reasons = {row: reason for row, one in enumerate(found) if (reason := why_not(one, channels))}
    return _without(part, [np.ascontiguousarray(one, np.float32) for one in found], reasons)


def _without(part: Part, series: Any, reasons: Mapping[int, str]) -> Usable:
    rows = np.array([row for row in range(len(series)) if row not in reasons], np.int64)
    return Usable(series, rows, [{"path": part.name(row), "reason": reason} for row, reason in reasons.items()])


def _bad_rows(series: NDArray[Any]) -> Index:
    """Return the rows of [N, C, T] in which a number is not finite or too large."""
    if series.dtype.kind != "f":
        return np.zeros(0, np.int64)
    step = max(1, BLOCK // max(1, series.nbytes // max(1, len(series))))
    good = np.ones(len(series), np.bool_)
    for start in range(0, len(series), step):
        block = series[start : start + step]
        with np.errstate(invalid="ignore"):
            good[start : start + step] = (np.abs(block) < LARGEST).all((1, 2))
    return np.flatnonzero(~good)


def ended(one: NDArray[Any]) -> NDArray[Any]:
    """Return a series [C, T] without the NaN at its end, where all channels have it."""
    if one.dtype.kind != "f":
        return one
    there = np.flatnonzero(~np.isnan(one).all(0))
    return one[:, : there[-1] + 1] if len(there) else one[:, :0]


def why_not(one: NDArray[Any], channels: int) -> str:
    """Return why a series [C, T] cannot be used, "" if it can."""
    if one.shape[0] != channels:
        return f"{one.shape[0]} channels, not {channels} as most have"
    if one.shape[1] < FEWEST:
        return f"{one.shape[1]} sample{'s' * (one.shape[1] != 1)}: a series needs at least {FEWEST}"
    if one.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            bad = ~(np.abs(one) < LARGEST)
        if bad.any():
            at = int(np.flatnonzero(bad.any(0))[0])
            value = one[np.flatnonzero(bad[:, at])[0], at]
            said = "is missing (NaN)" if np.isnan(value) else f"is {value:g}"
            return f"sample {at} {said}"
    return ""


def label_among(names: Sequence[str], asked: str | None, where: str) -> str | None:
    """Return the column of labels, see `columns.label_column`. "y" beside "x" is a direction, not a label."""
    usual = [name for name in names if not (name.lower() == "y" and "x" in map(str.lower, names))]
    lower = {name.lower(): name for name in reversed(usual)}
    if asked is not None:
        return label_column(names, asked, where)
    found = label_column(list(lower))
    return None if found is None else lower[found]


def most_channels(part: Part) -> int:
    """Return the number of channels that most series of a part have. Raises UserError if it has none."""
    if not len(part.series):
        why = f" ({part.skipped[0]['path']}: {part.skipped[0]['reason']})" if part.skipped else ""
        raise UserError(f"{part.where}: no series in it can be read{why}")
    if isinstance(part.series, np.ndarray):
        return int(part.series.shape[1])
    counts = Counter(one.shape[0] for one in part.series)
    return int(max(counts, key=lambda count: (counts[count], count)))
