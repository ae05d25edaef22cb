"""A part of another source, and the deterministic split of data that come without a test part."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.source import Index, Labels, Raw, Source, checked, digest_of

TEST = 0.2  # part of the distinct samples that the test side gets


@final
class Subset(Source):
    """The samples of `source` at `index` (int64 [M]), numbered anew from 0."""

    def __init__(self, source: Source, index: Index) -> None:
        self._source = source
        self._index = checked(index, len(source))
        self.samples, self.classes = source.samples, source.classes
        self.traits, self.skipped = source.traits, source.skipped

    def __len__(self) -> int:
        return len(self._index)

    def fetch(self, index: Index) -> Raw:
        """See `Source.fetch`; "index" is the position in this subset."""
        index = checked(index, len(self))
        return self._source.fetch(self._index[index]) | {"index": index}

    @cached_property
    def labels(self) -> Labels:
        """int64 [M], -1 = unknown."""
        return self._source.labels[self._index]

    @cached_property
    def groups(self) -> Labels | None:
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


def first(source: Source, limit: int | None) -> Source:
    """The first `limit` samples; all of them when `limit` is None or larger.

    Raises UserError when `limit` is below 1.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    return source if limit is None or limit >= len(source) else Subset(source, np.arange(limit))


def split(source: Source, side: Literal["train", "test"]) -> Subset:
    """One side of a source, in its order: see `split_index`."""
    return Subset(source, split_index(source, side))


def split_index(source: Source, side: Literal["train", "test"]) -> Index:
    """The samples of one side of a deterministic 80/20 split by content, int64 [M], rising.

    The distinct samples (groups, where the source has them) are ranked by SHA-256 and the first fifth is the test side:
    exact duplicates share a side, and neither the files' names nor their order matter. Raises UserError when there are
    fewer than two distinct samples.
    """
    rows = np.ascontiguousarray(source.digests)
    _, first_seen, which = np.unique(rows.view(f"V{rows.shape[1]}")[:, 0], return_index=True, return_inverse=True)
    rank = which.reshape(-1).astype(np.int64)  # place of each sample's digest among all
    groups = source.groups
    if groups is not None:
        _, group = np.unique(groups, return_inverse=True)
        smallest = np.full(group.max() + 1, len(first_seen), np.int64)
        np.minimum.at(smallest, group, rank)
        _, rank = np.unique(smallest[group], return_inverse=True)
    distinct = int(rank.max()) + 1 if len(rank) else 0
    if distinct < 2:
        many = f"{len(source)} sample{'s' * (len(source) != 1)}"
        raise UserError(f"{many} without two different ones cannot be split into train and test: use split all")
    held = rank < max(1, round(TEST * distinct))
    return np.flatnonzero(held == (side == "test"))
