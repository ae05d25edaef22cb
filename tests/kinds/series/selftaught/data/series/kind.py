"""Short series of numbers: text files with a number a line, in folders named by class, or lists of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from selftaught.data import catalog
from selftaught.data.series.source import Series
from selftaught.data.subset import Subset, draw, split_index
from selftaught.errors import UserError
from selftaught.kind import Kind, Progress, Split, silent
from selftaught.source import Source


@final
class SeriesKind(Kind):
    """Numbers in a row.

    Args:
        length: How many numbers of each series are read, from its start.
    """

    samples = "series"
    network = "strided"

    def __init__(self, length: int = 32) -> None:
        if length < 8:
            raise UserError(f"length must be at least 8, not {length}")
        self.length = length

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Folders with .num files, and lists of rows of numbers."""
        if isinstance(data, str | Path):
            return any(Path(data).expanduser().rglob("*.num"))
        return isinstance(data, Sequence) and len(data) > 0 and isinstance(data[0], np.ndarray) and data[0].ndim == 1

    def open(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None
    ) -> Source:
        """See `Kind.open`."""
        whole = data if isinstance(data, Source) else self._read(data, labels)
        if split != "all":
            whole = Subset(whole, split_index(whole, split))
        return draw(whole, limit, self.seed)

    def _read(self, data: Any, labels: Any) -> Series:
        if isinstance(data, str) and data in catalog.listed():
            found: Any = catalog.get(data)
            rows, known, classes = found.made()
            return Series(rows[:, : self.length], known, classes)
        if isinstance(data, str | Path):
            files = sorted(Path(data).expanduser().rglob("*.num"))
            if not files:
                raise UserError(f"{data}: there is no series in this folder or below it (.num)")
            names = sorted({file.parent.name for file in files})
            rows = [np.loadtxt(file, np.float32, ndmin=1) for file in files]
            return self._cut(rows, [names.index(file.parent.name) for file in files], tuple(names))
        return self._cut(list(data), labels, ())

    def _cut(self, rows: list[Any], labels: Any, classes: tuple[str, ...]) -> Series:
        short = next((i for i, row in enumerate(rows) if len(row) < self.length), None)
        if short is not None:
            raise UserError(f"series {short} has {len(rows[short])} numbers, fewer than the length {self.length}")
        return Series(np.stack([row[: self.length] for row in rows]).astype(np.float32), labels, classes)

    def input(self, source: Source) -> dict[str, Any]:
        """The length, and the mean and deviation of all numbers."""
        rows = source.fetch(np.arange(min(len(source), 2048)))["series"]
        mean, std = round(float(rows.mean()), 6), round(max(float(rows.std()), 1e-6), 6)
        return {"kind": self.name(), "length": int(source.traits["length"]), "mean": mean, "std": std}

    @classmethod
    def fits(cls, input: Mapping[str, Any], source: Source, where: str) -> None:
        """Raises UserError for series of another length."""
        if source.traits["length"] != input["length"]:
            raise UserError(
                f"the encoder of {where} sees series of {input['length']} numbers, not {source.traits['length']}"
            )

    @classmethod
    def tell(cls, source: Source) -> dict[str, Any]:
        """Samples, length, samples a class and fingerprint."""
        counts = {name: int((source.labels == i).sum()) for i, name in enumerate(source.classes)}
        return {
            "samples": len(source),
            "length": source.traits["length"],
            "per_class": counts,
            "fingerprint": source.fingerprint,
        }
