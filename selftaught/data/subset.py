"""A part of another source, and the deterministic split of data without a test part."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.source import Index, Labels, Raw, Source, checked, digest_of

TEST = 0.2  # the share of the distinct samples that the test side gets


@final
class Subset(Source):
    """The samples of `source` at `index` (int64 [M]), renumbered from 0.

    >>> import numpy as np
    >>> from selftaught.data import open_source
    >>> images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    >>> part = Subset(open_source(images, "all"), np.array([7, 2]))
    >>> len(part), part.fetch([0])["image"].ravel()
    (2, array([7], dtype=uint8))
    """

    def __init__(self, source: Source, index: Index) -> None:
        self._source = source
        self._index = checked(index, len(source))
        self.samples, self.classes = source.samples, source.classes
        self.traits, self.skipped, self.notes = source.traits, source.skipped, source.notes

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
        """A digest of the whole source and of the selected positions."""
        return digest_of(self._source.fingerprint, self._index.tobytes())


def first(source: Source, limit: int | None) -> Source:
    """Return the first `limit` samples, or all of them if `limit` is None or larger.

    Raises UserError if `limit` is below 1.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    return source if limit is None or limit >= len(source) else Subset(source, np.arange(limit))


def split(source: Source, side: Literal["train", "test"]) -> Subset:
    """Return one side of a source, in its order, see `split_index`.

    >>> import numpy as np
    >>> from selftaught.data import open_source
    >>> images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    >>> source = open_source(images, "all")
    >>> len(split(source, "train")), len(split(source, "test"))
    (8, 2)
    """
    return Subset(source, split_index(source, side))


def split_index(source: Source, side: Literal["train", "test"]) -> Index:
    """Return one side of a deterministic 80/20 split by content, int64 [M], increasing.

    The distinct samples (or groups, if the source has them) are ranked by SHA-256, and the first fifth is the test
    side. Exact duplicates are on the same side, and neither the names nor the order of the files matter. Raises
    UserError if there are fewer than two distinct samples.
    """
    rows = np.ascontiguousarray(source.digests)
    _, first_seen, which = np.unique(rows.view(f"V{rows.shape[1]}")[:, 0], return_index=True, return_inverse=True)
    rank = which.reshape(-1).astype(np.int64)  # rank of each sample's digest among all
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
