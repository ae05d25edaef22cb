"""The kind "signal": series of numbers with one channel or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import channels, tables
from selftaught.data.folders import LOOKED_AT
from selftaught.data.signal import arrays, delimited, ts
from selftaught.data.span import span
from selftaught.data.subset import Draw
from selftaught.errors import UserError, expanded
from selftaught.kind import Kind, Progress, Split, silent
from selftaught.source import Source, evenly

SAMPLES = 2048
"""Number of series from which the mean and the standard deviation of each channel are estimated."""


@final
class Signal(Kind):
    """Series, float32 [C, T].

    Args:
        length: Samples of the encoder's input. Longer series are cropped (the middle; at random in training), shorter
            ones are padded at their end, with a mask. By default the longest series, at most 2048.
        channels: The columns that are channels, in .csv, Parquet and Arrow. By default all with numbers.
        label_column: The column of labels there. By default one with a usual name, if it has classes. A number counts
            the columns of .csv and .tsv without names.
        channel_axis: The axis of arrays that has the channels: first [N, C, T], last [N, T, C], or auto, the shorter.
    """

    samples = "signals"
    network = "wave"

    def __init__(
        self,
        length: int | None = None,
        channels: tuple[str, ...] = (),
        label_column: str | None = None,
        channel_axis: Literal["auto", "first", "last"] = "auto",
    ) -> None:
        if length is not None and length < 4:
            raise UserError(f"length must be at least 4, not {length}")
        if channel_axis not in ("auto", "first", "last"):
            raise UserError(f"channel_axis must be auto, first or last, not '{channel_axis}'")
        self.length, self.channels, self.label_column = length, tuple(channels), label_column
        self.channel_axis: Literal["auto", "first", "last"] = channel_axis
        self._asked = True  # the options are a user's, who is told of one without an effect, not a run's

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Accept .ts files, folders of them or of .csv with numbers; tables of lists of numbers; arrays of series.

        Arrays that could be pictures (three axes and nearly square, or bytes) are left to these.
        """
        if isinstance(data, str | Path):
            return _holds_series(expanded(data))
        if isinstance(data, tuple) and len(data) == 2:
            data = data[0]
        first = data[0] if isinstance(data, Sequence) and not isinstance(data, str) and len(data) else None
        if isinstance(first, np.ndarray) and first.ndim == 1:
            return first.dtype.kind in "iuf"
        found = np.stack([first]) if isinstance(first, np.ndarray) else data
        if not hasattr(found, "__array__"):
            return False
        array = np.asanyarray(found)
        return array.dtype != np.uint8 and arrays.looks_like_series(array.shape, array.dtype.kind)

    def open(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None
    ) -> Source:
        """See `Kind.open`."""
        from selftaught.data.signal.opening import How, open_signals

        if limit is not None and limit < 1:
            raise UserError(f"limit must be at least 1, not {limit}")
        how = How(self.channels, self.label_column, self.channel_axis, self.length, self.groups, progress, self._asked)
        return open_signals(data, Draw(limit, self.seed, split), labels, how)

    def resolved(self, source: Source) -> dict[str, Any]:
        """Return the axis of the channels, where the data decided that it is the last."""
        return dict(source.traits.get("reading", {}))

    def input(self, source: Source) -> dict[str, Any]:
        """Return the channels, the length in samples, and the mean and deviation of each channel."""
        from selftaught.data.signal.opening import length_of

        mean, std = statistics(source)
        length = length_of(span(source, "signal")[1], self.length)
        return {"kind": self.name(), "channels": len(mean), "length": length, "mean": mean, "std": std}

    @classmethod
    def reading(cls, input: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Return the options that the encoder's series were read with, and its length."""
        kind = cls(**{**options, "length": input["length"]})
        kind._asked = False
        return kind

    @classmethod
    def fits(cls, input: Mapping[str, Any], source: Source, where: str) -> None:
        """Raises UserError if the series have a different number of channels from the encoder's input."""
        channels.fit(input, source, where, "series")

    @classmethod
    def tell(cls, source: Source) -> dict[str, Any]:
        """Return samples, channels, lengths, samples per class and fingerprint."""
        shortest, longest = span(source, "signal")
        known = source.labels[source.labels >= 0]
        return {
            "samples": len(source), "channels": source.traits.get("channels"),
            "length": longest if shortest == longest else f"{shortest} to {longest}",
            "per_class": {c: int((known == i).sum()) for i, c in enumerate(source.classes)},
            "fingerprint": source.fingerprint,
        }  # fmt: skip


def statistics(source: Source) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel over evenly spaced series, each with the same weight."""
    index = evenly(len(source), SAMPLES)
    moments: list[NDArray[np.float64]] = []
    for part in np.array_split(index, -(-len(index) // 128)):
        for series in source.fetch(part)["signal"]:
            x = np.asarray(series, np.float64)
            moments.append(np.stack([x.mean(1), (x**2).mean(1)]))
    mean, square = np.mean(moments, 0)
    std = np.sqrt(np.maximum(square - mean**2, 0))
    # a constant channel has none: dividing by it must neither fail nor magnify rounding
    std = np.where(std > 1e-6 * np.abs(mean), std, np.maximum(np.abs(mean), 1.0))
    return [float(f"{m:.7g}") for m in mean], [float(f"{s:.7g}") for s in std]


def _holds_series(path: Path) -> bool:
    try:
        if path.is_dir():
            found = islice(path.rglob("*"), LOOKED_AT)
            files = [file for file in found if file.is_file() and not file.name.startswith(".")]
            own = (*delimited.SUFFIXES, ts.SUFFIX, *tables.SUFFIXES)
            return sum(file.suffix.lower() in own and _is_series(file) for file in files) > len(files) / 2
        return path.is_file() and _is_series(path)
    except OSError:
        return False


def _is_series(path: Path) -> bool:
    """Return whether a file is a series, or holds several."""
    suffix = path.suffix.lower()
    if suffix == ts.SUFFIX:
        return _is_text(path)
    if suffix in delimited.SUFFIXES:
        return delimited.holds_numbers(path)
    if tables.is_table(path):
        from selftaught.data.signal.tables import holds_series

        return holds_series(path)
    return suffix in (".npy", ".npz") and arrays.file_holds_series(path)


def _is_text(path: Path) -> bool:
    """Return whether a .ts file is none of TypeScript nor a video: its first lines are tags or comments."""
    with path.open("rb") as file:
        start = file.read(4096)
    first = next((line.strip() for line in start.splitlines() if line.strip()), b"")
    return first.startswith((b"@", b"#", b"%", b"\xef\xbb\xbf@", b"\xef\xbb\xbf#")) and b"\0" not in start
