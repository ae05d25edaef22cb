"""Series of one length in one array."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.source import Index, Labels, Raw, Source, checked


@final
class Series(Source):
    """Rows of numbers, float32 [N, T]."""

    samples = "series"

    def __init__(self, rows: NDArray[np.float32], labels: Labels | None = None, classes: tuple[str, ...] = ()) -> None:
        self.rows, self.classes = rows, classes
        self._labels = np.full(len(rows), -1, np.int64) if labels is None else np.asarray(labels, np.int64)
        self.traits: dict[str, Any] = {"length": rows.shape[1]}

    def __len__(self) -> int:
        return len(self.rows)

    def fetch(self, index: Index) -> Raw:
        """``{"series": float32 [B, T], "label", "index"}``."""
        index = checked(index, len(self))
        return {"series": self.rows[index], "label": self._labels[index], "index": index}

    @property
    def labels(self) -> Labels:
        """int64 [N], -1 = unknown."""
        return self._labels
