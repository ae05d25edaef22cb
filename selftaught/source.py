"""What a user has: the part of the contract in `method` that needs no torch, so that listing and fetching data are quick."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
Labels = NDArray[np.int64]
Raw = dict[str, Any]


class Source(ABC):
    """What a user has: a finite, indexable set of samples. Subclasses live in `data/`."""

    classes: tuple[str, ...] = ()
    """Names of the classes, position = label; empty when nothing is labelled."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of samples."""

    @abstractmethod
    def fetch(self, index: Index) -> Raw:
        """The samples at `index` (int64 [B]) as a raw batch.

        Images: ``{"image": uint8 [B, H, W, C], or a list of uint8 [H, W, C] when sizes differ,
        "label": int64 [B] (-1 = unknown), "index": int64 [B]}``. Same index, same bytes, from any thread or process.
        """

    @property
    def labels(self) -> Labels:
        """int64 [N], -1 = unknown. Read without touching the samples themselves."""
        return np.full(len(self), -1, dtype=np.int64)

    @property
    def fingerprint(self) -> str:
        """A short digest of the content: a run refuses to resume on other data."""
        return f"{type(self).__name__}-{len(self)}"
