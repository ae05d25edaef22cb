"""A part of another source, and the deterministic split of data that come without a test part."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.source import ImageSource, Index, checked, digest_of
from selftaught.errors import UserError

TEST = 0.2  # part of the distinct samples that the test side gets


@final
class Subset(ImageSource):
    """The samples of `source` at `index` (int64 [M]), numbered anew from 0."""

    def __init__(self, source: ImageSource, index: Index) -> None:
        self._source = source
        self._index = checked(index, len(source))
        self.classes = source.classes
        self.channels = source.channels
        self.image_size = source.image_size
        self.skipped = source.skipped

    def __len__(self) -> int:
        return len(self._index)

    def fetch(self, index: Index) -> dict[str, Any]:
        """See `ImageSource.fetch`; "index" is the position in this subset."""
        index = checked(index, len(self))
        return self._source.fetch(self._index[index]) | {"index": index}

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """int64 [M], -1 = unknown."""
        return self._source.labels[self._index]

    @cached_property
    def groups(self) -> NDArray[np.int64] | None:
        """int64 [M] or None."""
        groups = self._source.groups
        return None if groups is None else groups[self._index]

    @property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [M, 32]."""
        return self._source.digests[self._index]

    @cached_property
    def fingerprint(self) -> str:
        """Of the whole source and of what was taken from it."""
        return digest_of(self._source.fingerprint, self._index.tobytes())


def first(source: ImageSource, limit: int | None) -> ImageSource:
    """The first `limit` samples; all of them when `limit` is None or larger. Raises UserError when `limit` is below 1."""
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    return source if limit is None or limit >= len(source) else Subset(source, np.arange(limit))


def split(source: ImageSource, side: Literal["train", "test"]) -> Subset:
    """One side of a deterministic 80/20 split by content, in the source's order.

    The distinct samples (groups, where the source has them) are ranked by SHA-256 and the first fifth is the test side: exact
    duplicates share a side, and neither the files' names nor their order matter. Raises UserError when there are fewer than
    two distinct samples.
    """
    keys = _keys(source)
    ranked = sorted(set(keys))
    if len(ranked) < 2:
        raise UserError(f"{len(source)} sample{'s' * (len(source) != 1)} without two that differ cannot be split into train and test")
    held = set(ranked[: max(1, round(TEST * len(ranked)))])
    return Subset(source, np.array([i for i, key in enumerate(keys) if (key in held) == (side == "test")], dtype=np.int64))


def _keys(source: ImageSource) -> list[bytes]:
    rows = source.digests
    keys = [row.tobytes() for row in rows]
    groups = source.groups
    if groups is None:
        return keys
    smallest: dict[int, bytes] = {}
    for group, key in zip(groups.tolist(), keys, strict=True):
        smallest[group] = min(key, smallest.get(group, key))
    return [smallest[group] for group in groups.tolist()]
