"""Recordings as parts of one long array, which may be a file's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from selftaught.source import Index, Labels, Raw, Skipped, Source, checked

Samples = NDArray[np.int16]
FULL = 32768
"""The largest height of a sample, as what a float of 1 is."""


@final
class Recordings(Source):
    """Recordings of one channel and one rate. Nothing is copied before a crop is taken.

    Args:
        samples: All recordings, one after another, int16 [T].
        starts: Where each begins, int64 [N].
        lengths: Samples of each, int64 [N], at least 1.
        rate: Samples in a second.
        labels: int64 [N], -1 = unknown.
        classes: Names of the classes.
        groups: int64 [N], see `Source.groups`.
        names: What the recordings are called; by default their positions.
        skipped: What could not be read.
    """

    samples = "recordings"

    def __init__(
        self,
        samples: Samples,
        starts: Index,
        lengths: Index,
        rate: int,
        labels: Labels | None = None,
        classes: Sequence[str] = (),
        *,
        groups: Labels | None = None,
        names: Sequence[str] | None = None,
        skipped: Sequence[Skipped] = (),
    ) -> None:
        self._samples, self._starts, self._lengths = samples, starts, lengths
        self._labels = np.full(len(starts), -1, np.int64) if labels is None else labels
        self._groups, self._names = groups, names
        self.classes, self.skipped = tuple(classes), list(skipped)
        self.traits = {"rate": rate, "shortest": int(lengths.min()), "longest": int(lengths.max())}

    def __len__(self) -> int:
        return len(self._starts)

    def fetch(self, index: Index) -> Raw:
        """``{"audio": a list of int16 [1, T], 32768 = full scale, "label", "index"}``."""
        index = checked(index, len(self))
        found = []
        for start, length in zip(self._starts[index].tolist(), self._lengths[index].tolist(), strict=True):
            found.append(self._samples[None, start : start + length])
        return {"audio": found, "label": self._labels[index], "index": index}

    @property
    def labels(self) -> Labels:
        """int64 [N], -1 = unknown."""
        return self._labels

    @property
    def groups(self) -> Labels | None:
        """int64 [N], or None."""
        return self._groups

    def names(self, index: Index) -> list[str]:
        """Return the names of the files, else the positions."""
        if self._names is None:
            return super().names(index)
        return [self._names[i] for i in checked(index, len(self)).tolist()]

    @property
    def seconds(self) -> float:
        """The length of all recordings together."""
        return float(self._lengths.sum()) / int(self.traits["rate"])

    def windows(self, length: int, heard: Callable[[Samples], bool]) -> Recordings:
        """Return every window of `length` samples as a recording, if it is `heard`; a rest if it is half as long.

        The windows of a recording are a group, unless there are other groups.
        """
        rows, firsts, lengths = list[int](), list[int](), list[int]()
        for row, (start, long) in enumerate(zip(self._starts.tolist(), self._lengths.tolist(), strict=True)):
            for first in range(0, long, length):
                size = min(length, long - first)
                if (2 * size >= length or not first) and heard(self._samples[start + first : start + first + size]):
                    rows.append(row)
                    firsts.append(first)
                    lengths.append(size)
        owner, rate, called = np.array(rows, np.int64), int(self.traits["rate"]), self.names(np.arange(len(self)))
        return Recordings(
            self._samples,
            self._starts[owner] + np.array(firsts, np.int64),
            np.array(lengths, np.int64),
            rate,
            self._labels[owner],
            self.classes,
            groups=owner if self._groups is None else self._groups[owner],
            names=[f"{called[row]}, {first / rate:g} s" for row, first in zip(rows, firsts, strict=True)],
            skipped=self.skipped,
        )
