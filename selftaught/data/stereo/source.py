"""Pairs of pictures, read one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from selftaught.source import Index, Labels, Raw, Skipped, Source, checked


class Pair(NamedTuple):
    """One pair: both pictures are uint8 [H, W, C], the disparity is float32 [H, W], or None if it is not known."""

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    disparity: NDArray[np.float32] | None = None
    offset: float = float("nan")
    """By how many pixels the principal points differ: depth is proportional to 1 / (disparity + offset)."""


@final
class Pairs(Source):
    """Pairs of pictures of both eyes.

    Args:
        read: Returns the pair at a position.
        sizes: Height and width of each, int64 [N, 2].
        channels: Of all pictures.
        truth: Whether disparities are part of the samples; where a pair has none, it is NaN everywhere.
        groups: int64 [N], see `Source.groups`.
        names: What the pairs are called; by default their positions.
        skipped: What could not be read.
    """

    samples = "stereo pairs"

    def __init__(
        self,
        read: Callable[[int], Pair],
        sizes: NDArray[np.int64],
        channels: int,
        truth: bool = False,
        *,
        groups: Labels | None = None,
        names: Sequence[str] | None = None,
        skipped: Sequence[Skipped] = (),
    ) -> None:
        self._read, self.sizes, self._truth = read, sizes, truth
        self._groups, self._names = groups, names
        self.skipped = list(skipped)
        self.traits: dict[str, Any] = {"channels": channels, "smallest": int(sizes.min()) if len(sizes) else 0}
        if len(sizes) and (sizes == sizes[0]).all():
            self.traits["size"] = tuple(sizes[0].tolist())
        if truth:
            self.traits["truth"] = True

    def __len__(self) -> int:
        return len(self.sizes)

    def fetch(self, index: Index) -> Raw:
        """``{"stereo": uint8 [B, 2, H, W, C], left and right, or a list of [2, H, W, C] if sizes differ}``.

        With disparities also "disparity", float32 [B, H, W] or a list, in pixels of the left picture (NaN = unknown),
        and "offset", float64 [B], see `Pair`. "label" is -1.
        """
        index = checked(index, len(self))
        pairs = [self._read(i) for i in index.tolist()]
        found: Raw = {"stereo": _joined([np.stack([pair.left, pair.right]) for pair in pairs])}
        if self._truth:
            none = (np.full(pair.left.shape[:2], np.nan, np.float32) for pair in pairs)
            known = [n if pair.disparity is None else pair.disparity for pair, n in zip(pairs, none, strict=True)]
            found["disparity"] = _joined(known)
            found["offset"] = np.array([pair.offset for pair in pairs], np.float64)
        return {**found, "label": np.full(len(index), -1, np.int64), "index": index}

    @property
    def groups(self) -> Labels | None:
        """int64 [N], or None."""
        return self._groups

    def names(self, index: Index) -> list[str]:
        """Return the names of the left pictures, or the positions."""
        index = checked(index, len(self))
        return [str(i) if self._names is None else self._names[i] for i in index.tolist()]


def _joined(arrays: list[NDArray[Any]]) -> Any:
    return np.stack(arrays) if len({one.shape for one in arrays}) == 1 else arrays


def crops(pair: Pair, side: int, columns: tuple[int, int, int], rows: int) -> Pairs:
    """Return square crops of one pair, the same square of both eyes.

    Args:
        pair: The whole pictures.
        side: Of a crop in pixels.
        columns: First column, end, and pixels from one crop to the next.
        rows: Rows from one crop to the next.
    """
    first, end, step = columns
    places = [(y, x) for y in range(0, pair.left.shape[0] - side + 1, rows) for x in range(first, end - side + 1, step)]

    def read(i: int) -> Pair:
        y, x = places[i]
        there = np.s_[y : y + side, x : x + side]
        known = None if pair.disparity is None else pair.disparity[there]
        return Pair(pair.left[there], pair.right[there], known, pair.offset)

    sizes = np.full((len(places), 2), side, np.int64)
    names = [f"rows {y} to {y + side - 1}, columns {x} to {x + side - 1}" for y, x in places]
    return Pairs(read, sizes, pair.left.shape[2], pair.disparity is not None, names=names)
