"""Several sources, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.source import ImageSource, Index, checked, digest_of
from selftaught.errors import UserError


@final
class Joined(ImageSource):
    """The samples of all `parts`, in order. They must agree in channels; class names of the first labelled part count."""

    def __init__(self, parts: Sequence[ImageSource]) -> None:
        channels = {part.channels for part in parts}
        if len(channels) != 1:
            raise UserError(f"parts with {' and '.join(map(str, sorted(channels)))} channels cannot be joined")
        sizes = {part.image_size for part in parts}
        self._parts = list(parts)
        self._ends = np.cumsum([len(part) for part in parts])
        self.classes = max((part.classes for part in parts), key=len)
        self.channels = channels.pop()
        self.image_size = sizes.pop() if len(sizes) == 1 else None
        self.skipped = [one for part in parts for one in part.skipped]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def fetch(self, index: Index) -> dict[str, Any]:
        """See `ImageSource.fetch`."""
        index = checked(index, len(self))
        owner = np.searchsorted(self._ends, index, side="right")
        images: list[Any] = [None] * len(index)
        for part in np.unique(owner):
            rows = np.flatnonzero(owner == part)
            start = self._ends[part] - len(self._parts[part])
            for row, image in zip(rows, self._parts[part].fetch(index[rows] - start)["image"], strict=True):
                images[row] = image
        whole = np.stack(images) if self.image_size and images else images
        return {"image": whole, "label": self.labels[index], "index": index}

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """int64 [N], -1 = unknown."""
        return np.concatenate([part.labels for part in self._parts])

    @cached_property
    def groups(self) -> NDArray[np.int64] | None:
        """int64 [N], the parts' groups kept apart; None when a part has none."""
        found, shift = [], 0
        for part in self._parts:
            if part.groups is None:
                return None
            found.append(part.groups + shift)
            shift += int(part.groups.max(initial=-1)) + 1
        return np.concatenate(found)

    @cached_property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [N, 32]."""
        return np.concatenate([part.digests for part in self._parts])

    @cached_property
    def fingerprint(self) -> str:
        """Of all parts, in order."""
        return digest_of(*(part.fingerprint for part in self._parts))
