"""A part of another source, and the deterministic split of data without a test part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.source import Index, Labels, Raw, Source, checked, digest_of

FIFTH = 5
"""One of so many distinct samples is on the test side."""


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

    def names(self, index: Index) -> list[str]:
        """Return the names in the whole source."""
        return self._source.names(self._index[checked(index, len(self))])

    @property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [M, 32]."""
        return self._source.digests[self._index]

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the whole source and of the selected positions."""
        return digest_of(self._source.fingerprint, self._index.tobytes())


@final
@dataclass(frozen=True)
class Draw:
    """Which samples of a set are asked for.

    Args:
        limit: At most so many; None = all.
        seed: Draws them, see `drawn`.
        side: The side of a set that has no test part of its own, see `split_index`.
    """

    limit: int | None = None
    seed: int = 0
    side: Literal["train", "test", "all"] = "all"

    def of(self, source: Source) -> Source:
        """Return these samples of `source`, in its order; the source itself if these are all."""
        whole = source if self.side == "all" else split(source, self.side)
        return draw(whole, self.limit, self.seed)


def drawn(labels: Labels, seed: int) -> Index:
    """Return an order of all samples, int64 [N], every prefix of which is a sample of the whole.

    >>> drawn(np.array([0] * 6 + [1] * 3), seed=0)[:3] // 6  # two of the class of six, one of the class of three
    array([1, 0, 0])

    A prefix has of each class (-1 = unknown is one too) as large a share as the whole, and at least one sample if it is
    long enough. The seed draws; a smaller sample is part of a larger one.
    """
    order = np.random.Generator(np.random.Philox(key=[seed, 0xD4A3])).permutation(len(labels))
    _, of_class, sizes = np.unique(labels[order], return_inverse=True, return_counts=True)
    sorted_ = np.argsort(of_class, kind="stable")
    earlier = np.empty(len(order), np.int64)  # samples of the same class before this one
    earlier[sorted_] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    found: Index = order[np.argsort(earlier / sizes[of_class], kind="stable")]
    return found


def draw(source: Source, limit: int | None, seed: int = 0) -> Source:
    """Return `limit` samples, see `drawn`, in the order of the source; all of them if `limit` is None or larger.

    Raises UserError if `limit` is below 1.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    if limit is None or limit >= len(source):
        return source
    return Subset(source, np.sort(drawn(source.labels, seed)[:limit]))


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

    The distinct samples are ranked by SHA-256, and the first fifth is the test side, with a fifth of each class as
    nearly as whole samples allow. Exact duplicates are on the same side, and neither the names nor the order of the
    files matter. If the source has groups, each stays whole: a group belongs to its most frequent class and is ranked
    by its smallest digest, and a class of several groups is on both sides.

    Raises UserError if there are fewer than two distinct samples or groups.
    """
    rows = np.ascontiguousarray(source.digests)
    _, which = np.unique(rows.view(f"V{rows.shape[1]}")[:, 0], return_inverse=True)
    unit = which.reshape(-1).astype(np.int64)  # rank of each sample's digest among all
    groups = source.groups
    if groups is not None and len(unit):
        _, group = np.unique(groups, return_inverse=True)
        smallest = np.full(group.max() + 1, len(unit), np.int64)
        np.minimum.at(smallest, group, unit)
        _, unit = np.unique(smallest[group], return_inverse=True)
    count = int(unit.max()) + 1 if len(unit) else 0
    if count < 2:
        many = f"{len(source)} sample{'s' * (len(source) != 1)}"
        lack = "without two different ones" if groups is None else "of a single group"
        more = "give more samples" if groups is None else "give samples of other groups, or other groups"
        raise UserError(f"{many} {lack} cannot be split into train and test: {more}")
    classes = _majority(unit, source.labels)
    sizes = np.ones(count, np.int64) if groups is None else np.bincount(unit)
    if (sizes == sizes[0]).all():
        held = _first_fifth(classes)
    else:
        held = np.zeros(count, np.bool_)
        held[np.concatenate([_fifth_of(members, sizes[members]) for members in _by_class(classes)])] = True
    if groups is not None:  # a few whole groups can leave a class out
        _represent(held, unit, classes, source.labels)
    return np.flatnonzero(held[unit] == (side == "test"))


def _majority(unit: Index, labels: Labels) -> Labels:
    """The most frequent label of each unit, int64 [U]; of equally frequent ones the smallest."""
    pairs, counts = np.unique(np.stack([unit, labels]), axis=1, return_counts=True)
    order = np.lexsort((-pairs[1], counts, pairs[0]))  # the last of each unit wins
    found = np.empty(int(unit.max()) + 1, np.int64)
    found[pairs[0, order]] = pairs[1, order]
    return found


def _by_class(classes: Labels) -> list[Index]:
    """The units of each class, in order of rank."""
    order = np.argsort(classes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(classes[order])) + 1)


def _first_fifth(classes: Labels) -> NDArray[np.bool_]:
    """The first fifth of all units, bool [U], as nearly as possible of each class: largest remainders round up."""
    members = _by_class(classes)
    counts = [len(one) // FIFTH for one in members]
    left = max(1, round(len(classes) / FIFTH)) - sum(counts)
    for c in sorted(range(len(members)), key=lambda c: (-(len(members[c]) % FIFTH), members[c][0]))[:left]:
        counts[c] += 1
    held = np.zeros(len(classes), np.bool_)
    for one, count in zip(members, counts, strict=True):
        held[one[:count]] = True
    return held


def _fifth_of(members: Index, sizes: NDArray[np.int64]) -> Index:
    """Those of the units of one class that have about a fifth of its samples: not none of several, and not all."""
    found: list[int] = []
    taken = 0
    for member, size in zip(members.tolist(), sizes.tolist(), strict=True):
        if FIFTH * (taken + size / 2) < sizes.sum():  # nearer to a fifth with it than without
            found.append(member)
            taken += size
    return np.array(found or members[sizes.argmin() : sizes.argmin() + (len(members) > 1)], np.int64)


def _represent(held: NDArray[np.bool_], unit: Index, classes: Labels, labels: Labels) -> None:
    """Add to the test side, `held`, the first unit of each class that has several and no sample there."""
    for c in np.setdiff1d(labels, labels[held[unit]]):
        members = np.flatnonzero(classes == c)
        if len(members) > 1:
            held[members[0]] = True
    if not held.any():
        held[0] = True
