"""Series in memory or in a file of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.source import Index, Labels, Raw, Skipped, Source, checked

Series = NDArray[np.float32]
"""One series, [C, T]."""


@final
class Signals(Source):
    """Series of the same channels.

    Args:
        series: All of one length, as an array [N, C, T] of any numbers, which may be a file's; or one float32 [C, T]
            each.
        labels: int64 [N], -1 = unknown.
        classes: Names of the classes.
        rows: The positions of the samples in `series`, int64; by default all.
        groups: int64 [N], see `Source.groups`.
        names: What the samples are called; by default their positions.
        skipped: What could not be read.
        reading: Options that the data decided, see `Kind.resolved`.
    """

    samples = "signals"

    def __init__(
        self,
        series: NDArray[Any] | Sequence[Series],
        labels: Labels | None = None,
        classes: Sequence[str] = (),
        *,
        rows: Index | None = None,
        groups: Labels | None = None,
        names: Sequence[str] | None = None,
        skipped: Sequence[Skipped] = (),
        reading: Mapping[str, Any] = {},
    ) -> None:
        self._series = series
        self._rows = np.arange(len(series)) if rows is None else np.asarray(rows, np.int64)
        self._labels = np.full(len(self._rows), -1, np.int64) if labels is None else labels
        self._groups, self._names = groups, names
        self.classes, self.skipped = tuple(classes), list(skipped)
        if isinstance(series, np.ndarray):
            channels, shortest, longest = int(series.shape[1]), int(series.shape[2]), int(series.shape[2])
        else:
            lengths = [series[i].shape[1] for i in self._rows.tolist()]
            channels, shortest, longest = int(series[0].shape[0]), min(lengths), max(lengths)
        self.traits = {"channels": channels, "shortest": shortest, "longest": longest}
        if reading:
            self.traits |= {"reading": dict(reading)}

    def __len__(self) -> int:
        return len(self._rows)

    def fetch(self, index: Index) -> Raw:
        """``{"signal": float32 [B, C, T], or a list of [C, T] if lengths differ, "label", "index"}``."""
        index = checked(index, len(self))
        rows = self._rows[index]
        found: Any
        if isinstance(self._series, np.ndarray):
            found = np.asarray(self._series[rows], np.float32)
        else:
            found = [self._series[i] for i in rows.tolist()]
        return {"signal": found, "label": self._labels[index], "index": index}

    @property
    def labels(self) -> Labels:
        """int64 [N], -1 = unknown."""
        return self._labels

    @property
    def groups(self) -> Labels | None:
        """int64 [N], or None."""
        return self._groups

    def names(self, index: Index) -> list[str]:
        """Return the names of the files or rows that the samples were read from, else the positions."""
        if self._names is None:
            return [str(i) for i in self._rows[checked(index, len(self))].tolist()]
        return [self._names[i] for i in checked(index, len(self)).tolist()]
