"""What every image source shares: sizes, channels, groups, skipped files, and how a batch is indexed."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.source import Source

Index = NDArray[np.int64]
Pixels = NDArray[np.uint8]
Skipped = dict[str, str]


class ImageSource(Source):
    """Images as uint8, all with the same number of channels. Obeys `selftaught.source.Source`.

    Attributes:
        channels: C, the same for every image.
        image_size: (height, width) in pixels, or None when sizes differ.
        classes: Names of the classes, position = label; empty when nothing is labelled.
        skipped: What could not be read: ``{"path": ..., "reason": ...}`` each.
    """

    channels: int
    image_size: tuple[int, int] | None
    classes: tuple[str, ...] = ()
    skipped: list[Skipped]

    @abstractmethod
    def __len__(self) -> int:
        """The number of images."""

    @abstractmethod
    def fetch(self, index: Index) -> dict[str, Any]:
        """``{"image": uint8 [B, H, W, C], or a list of uint8 [H, W, C] when sizes differ, "label": int64 [B], "index": int64 [B]}``.

        Same index, same bytes, from any thread or process. Raises IndexError for a position outside [0, N).
        """

    @property
    @abstractmethod
    def labels(self) -> NDArray[np.int64]:
        """int64 [N], -1 = unknown."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A short digest of pixels (or files), order and labels; moving or renaming the data does not change it."""

    @property
    @abstractmethod
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [N, 32]: SHA-256 of each sample's content. Equal digests are exact duplicates."""

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """int64 [N]: samples of one group (crops of one part of a photograph) must stay on one side of a split; None = no groups."""
        return None

    @property
    def labelled(self) -> bool:
        """Whether at least one sample has a label."""
        return bool((self.labels >= 0).any())


def checked(index: Index, n: int) -> Index:
    """`index` as int64 [B]; raises IndexError outside [0, n)."""
    index = np.asarray(index, dtype=np.int64).reshape(-1)
    if index.size and (index.min() < 0 or index.max() >= n):
        raise IndexError(f"sample {index.min() if index.min() < 0 else index.max()} is outside [0, {n})")
    return index


def digest_of(*parts: bytes | str) -> str:
    """A short hexadecimal digest of `parts`, each with its length so that their borders count."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.hexdigest()[:32]
