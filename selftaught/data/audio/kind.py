"""The kind "audio": recordings of sound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np

from selftaught.data.audio.decode import HIGHEST, LOWEST, SUFFIXES
from selftaught.data.audio.source import FULL
from selftaught.data.folders import LOOKED_AT
from selftaught.data.span import span
from selftaught.data.subset import Draw
from selftaught.errors import UserError, expanded
from selftaught.kind import Kind, Progress, Split, silent
from selftaught.source import Source, evenly

SHORTEST = 0.05
"""Seconds of an encoder's input."""
HEARD = 512
"""Recordings from which the mean height of sound is estimated."""


@final
class Audio(Kind):
    """Recordings, int16 [1, T]. Several channels are mixed down to one.

    Args:
        rate: Samples in a second, in Hz, that everything is resampled to. By default what most recordings have, at most
            16000.
        seconds: Seconds that an encoder hears of a recording. Longer ones are cropped (the middle; at random in
            training), shorter ones are padded at their end, with a mask. By default the longest recording, at most 4.
        windows: Make each window of so many seconds a sample, instead of a recording. Those of one recording are a
            group.
    """

    samples = "recordings"
    network = "wave"
    requires: ClassVar[Mapping[str, str]] = {"soundfile": "audio", "soxr": "audio"}

    def __init__(self, rate: int | None = None, seconds: float | None = None, windows: bool = False) -> None:
        if rate is not None and not LOWEST <= rate <= HIGHEST:
            raise UserError(f"rate must be {LOWEST} to {HIGHEST} Hz, not {rate}")
        if seconds is not None and not SHORTEST <= seconds < math.inf:
            raise UserError(f"seconds must be at least {SHORTEST}, not {seconds}")
        self.rate, self.seconds, self.windows = rate, seconds, windows

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Accept files of sound, and folders that hold more of them than of anything else."""
        if not isinstance(data, str | Path):
            return False
        try:
            path = expanded(data)
            if not path.is_dir():
                return path.is_file() and path.suffix.lower() in SUFFIXES
            found = [file for file in islice(path.rglob("*"), LOOKED_AT) if file.suffix and not file.is_dir()]
            return sum(file.suffix.lower() in SUFFIXES for file in found) > len(found) / 2
        except OSError:
            return False

    def open(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None
    ) -> Source:
        """See `Kind.open`. Waves in memory are float in [-1, 1] or int16, [N, T] or one [T] each, at `rate`."""
        from selftaught.data.audio.opening import How, open_recordings

        if limit is not None and limit < 1:
            raise UserError(f"limit must be at least 1, not {limit}")
        how = How(self.rate, self.seconds, self.windows, self.groups, progress)
        return open_recordings(data, Draw(limit, self.seed, split), labels, how)

    def resolved(self, source: Source) -> dict[str, Any]:
        """Return the rate that the data decided."""
        return {"rate": int(source.traits["rate"])} if self.rate is None and "rate" in source.traits else {}

    def input(self, source: Source) -> dict[str, Any]:
        """Return the rate in Hz, the length in samples, and the deviation of a recording: the mean of all, of 1."""
        from selftaught.data.audio.opening import length_of

        rate = source.traits.get("rate", self.rate)
        if rate is None:
            raise UserError('these recordings do not say their rate: give the source traits = {"rate": 16000}')
        length = length_of(span(source, self.name())[1], int(rate), self.seconds)
        return {
            "kind": self.name(), "channels": 1, "rate": int(rate), "length": length, "full": FULL, "mean": [0.0],
            "std": [deviation(source)],
        }  # fmt: skip

    @classmethod
    def reading(cls, input: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Return the options that the encoder's recordings were read with, its rate, and its length."""
        return cls(**{**options, "rate": input["rate"], "seconds": input["length"] / input["rate"]})

    @classmethod
    def fits(cls, input: Mapping[str, Any], source: Source, where: str) -> None:
        """Raises UserError if the recordings have another rate than the encoder's input."""
        wanted, there = input["rate"], source.traits.get("rate", input["rate"])
        if there != wanted:
            raise UserError(f"the encoder of {where} hears sound of {wanted:,} Hz, but these have {there:,} Hz")

    @classmethod
    def tell(cls, source: Source) -> dict[str, Any]:
        """Return recordings, minutes, rate, seconds of one, recordings per class and fingerprint."""
        parts = np.array_split(np.arange(len(source)), max(1, len(source) // 512))
        lengths = np.array([one.shape[1] for part in parts for one in source.fetch(part)[cls.name()]])
        rate, known = int(source.traits["rate"]), source.labels[source.labels >= 0]
        return {
            "samples": len(source), "minutes": round(float(lengths.sum()) / rate / 60, 1), "rate": rate,
            "seconds": f"{lengths.min() / rate:.2f} to {lengths.max() / rate:.2f}",
            "per_class": {c: int((known == i).sum()) for i, c in enumerate(source.classes)},
            "fingerprint": source.fingerprint,
        }  # fmt: skip


def deviation(source: Source) -> float:
    """Return the root of the mean square of evenly spaced recordings, each with the same weight; full scale is 1."""
    squares = [
        float(np.square(np.asarray(one, np.float32) / FULL).mean(dtype=np.float64))
        for part in np.array_split(evenly(len(source), HEARD), 8)
        for one in (source.fetch(part)["audio"] if len(part) else [])
    ]
    return float(f"{max(float(np.mean(squares)) ** 0.5, 1e-6):.7g}")
