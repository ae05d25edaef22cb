"""Several sources, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.subset import Draw
from selftaught.source import BESIDE, Index, Labels, Raw, Source, checked, digest_of


@final
class Joined(Source):
    """The samples of all `parts`, in order. Their labels must be numbered alike.

    The class names are those of the part with the most classes.

    `called`, one a part, stands before the names of its samples: "test/0001.png".
    """

    def __init__(self, parts: Sequence[Source], called: Sequence[str] = ()) -> None:
        self._parts = list(parts)
        self._called = [f"{name}/" for name in called] or [""] * len(self._parts)
        self._ends = np.cumsum([len(part) for part in parts])
        self.samples = parts[0].samples
        self.classes = max((part.classes for part in parts), key=len)
        # a trait that a part does not mention is no contradiction: one of 8 bits does not say how others are read
        told = [trait for part in parts for trait in part.traits.items()]
        self.traits = {name: value for name, value in told if all(p.traits.get(name, value) == value for p in parts)}
        self.skipped = [one for part in parts for one in part.skipped]
        self.notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def fetch(self, index: Index) -> Raw:
        """See `Source.fetch`. A field is an array if it is an array of one shape in every part; else it is a list."""
        index = checked(index, len(self))
        owner = np.searchsorted(self._ends, index, side="right")
        places = [np.flatnonzero(owner == part) for part in np.unique(owner)]
        batches = []
        for part, rows in zip(np.unique(owner), places, strict=True):
            start = self._ends[part] - len(self._parts[part])
            batches.append(self._parts[part].fetch(index[rows] - start))
        keys = [key for key in batches[0] if key not in BESIDE] if batches else []
        found = {key: _merged([batch[key] for batch in batches], places, len(index)) for key in keys}
        return {**found, "label": self.labels[index], "index": index}

    @cached_property
    def labels(self) -> Labels:
        """int64 [N], -1 = unknown."""
        return np.concatenate([part.labels for part in self._parts])

    @cached_property
    def groups(self) -> Labels | None:
        """int64 [N], with separate groups for each part; None if a part has none."""
        found, shift = [], 0
        for part in self._parts:
            groups = part.groups
            if groups is None:
                return None
            found.append(groups + shift)
            shift += int(groups.max(initial=-1)) + 1
        return np.concatenate(found)

    def names(self, index: Index) -> list[str]:
        """Return the names in the parts."""
        index = checked(index, len(self))
        found = [""] * len(index)
        owner = np.searchsorted(self._ends, index, side="right")
        for part in np.unique(owner).tolist():
            rows = np.flatnonzero(owner == part)
            own = self._parts[part].names(index[rows] - (self._ends[part] - len(self._parts[part])))
            for row, name in zip(rows.tolist(), own, strict=True):
                found[row] = self._called[part] + name
        return found

    @cached_property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [N, 32]."""
        return np.concatenate([part.digests for part in self._parts])

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all parts, in order."""
        return digest_of(*(part.fingerprint for part in self._parts))


def wanted(parts: Mapping[str, Source], want: Draw) -> Source:
    """Return what is asked for of the parts of a data set: "train" and "test", or "all", which is split by content."""
    if "all" in parts:
        return want.of(parts["all"])
    drawn = Draw(want.limit, want.seed)
    return drawn.of(Joined(list(parts.values())) if want.side == "all" else parts[want.side])


def _merged(values: Sequence[Any], places: Sequence[Index], n: int) -> Any:
    """Merge the fields that the parts returned into the order of all n positions."""
    whole: list[Any] = [None] * n
    for rows, value in zip(places, values, strict=True):
        for row, one in zip(rows, value, strict=True):
            whole[row] = one
    arrays = all(isinstance(value, np.ndarray) for value in values)
    return np.stack(whole) if arrays and len({value.shape[1:] for value in values}) == 1 else whole
