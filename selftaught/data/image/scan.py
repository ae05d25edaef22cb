"""Scan every item once: its shape, its digest, and whether it can be read.

Results are kept in the cache.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import cache
from selftaught.data.image.decode import VERSION, Unreadable
from selftaught.data.image.items import Items, measure
from selftaught.data.subset import FIFTH, Draw, drawn
from selftaught.data.workers import spread
from selftaught.errors import UserError
from selftaught.kind import Progress
from selftaught.source import Skipped, digest_of

TOGETHER = 512
Found = tuple[bytes, tuple[int, int, int, int]]


@final
@dataclass
class Scan:
    """The result of a scan.

    Args:
        positions: int64 [M], the items that can be read.
        digests: uint8 [M, 32], SHA-256 of the content of each.
        shapes: int32 [M, 4], height, width, channels, and the marks of `decode.look`.
        skipped: The other items, with reasons.
    """

    positions: NDArray[np.int64]
    digests: NDArray[np.uint8]
    shapes: NDArray[np.int32]
    skipped: list[Skipped] = field(default_factory=list)


def scan(items: Items, want: Draw, progress: Progress) -> tuple[Scan, bool]:
    """Scan the items of which `want` is made up, or every item; return also whether these are all that it asks for.

    With a limit, items are looked at in the order in which they are drawn, until enough readable ones are found. Which
    side of a split an item is on depends on all digests of its class, but of most items that is as good as certain, see
    `_Shares`; where too few of those are found, every item is scanned. Raises UserError if none can be read.
    """
    memory = _Memory(items)
    try:
        if want.limit is None or (want.side != "all" and items.groups is not None):
            found, done = _look(items, memory, None, progress), want.limit is None and want.side == "all"
        elif want.side == "all":
            found, done = _look(items, memory, want, progress), True
        else:
            some = _look(items, memory, want, progress)
            done = len(some.positions) == want.limit
            found = some if done else _look(items, memory, None, progress)
    finally:
        memory.save()
    if not len(found.positions):
        raise UserError(_nothing(items, found.skipped))
    return found, done


def _look(items: Items, memory: _Memory, want: Draw | None, progress: Progress) -> Scan:
    """Look at every item, or until as many are found of each class as `want` draws."""
    kept: dict[int, Found] = {}
    skipped: dict[int, str] = {}
    order = np.arange(len(items)) if want is None else drawn(items.labels, want.seed)
    total = min(len(items), want.limit if want is not None and want.limit is not None else len(items))
    takes = _Shares(items, order[:total], want) if want is not None and want.side != "all" else None
    at = 0
    while at < len(order) and len(kept) < total:
        block = order[at : at + min(TOGETHER, 2 * (total - len(kept)))].tolist()
        at += len(block)
        if takes is not None:
            block = [position for position in block if takes.room(position)]
        for position, result in zip(block, memory.look_at(block), strict=True):
            if len(kept) == total:
                break
            if isinstance(result, str):
                skipped[position] = result
            elif takes is None or takes.take(position, result[0]):
                kept[position] = result
        progress(at, len(order))
    positions = sorted(kept)
    return Scan(
        np.array(positions, dtype=np.int64),
        np.frombuffer(b"".join(kept[p][0] for p in positions), dtype=np.uint8).reshape(-1, 32),
        np.array([kept[p][1] for p in positions], dtype=np.int32).reshape(-1, 4),
        [*items.skipped, *({"path": items.name(p), "reason": skipped[p]} for p in sorted(skipped))],
    )


@final
class _Shares:
    """What is still wanted of each class on one side of the split by content, where the side of an item is certain."""

    def __init__(self, items: Items, chosen: NDArray[np.int64], want: Draw) -> None:
        self._side = want.side
        _, of_class, sizes = np.unique(items.labels, return_inverse=True, return_counts=True)
        self._class: list[int] = of_class.tolist()
        self._room: list[int] = np.bincount(of_class[chosen], minlength=len(sizes)).tolist()
        # digests are spread evenly over [0, 1]; `split_index` cuts those of a class at their quantile q, which of n
        # distinct ones is within sqrt(q (1 - q) / n) of q: five times that is as good as certain
        self._margin: list[float] = (5 * np.sqrt((FIFTH - 1) / FIFTH**2 / sizes) + 2 / sizes).tolist()

    def room(self, position: int) -> bool:
        """Whether more of the item's class are wanted."""
        return self._room[self._class[position]] > 0

    def take(self, position: int, digest: bytes) -> bool:
        """Whether the item, with this digest, is taken."""
        c = self._class[position]
        at = int.from_bytes(digest[:8], "big") / 2**64
        low, high = 1 / FIFTH - self._margin[c], 1 / FIFTH + self._margin[c]
        certain = at > high if self._side == "train" else at < low
        if certain and self._room[c] > 0:
            self._room[c] -= 1
            return True
        return False


def _nothing(items: Items, skipped: list[Skipped]) -> str:
    reasons = "; ".join(f"{one['path']}: {one['reason']}" for one in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"{items.where}: none of its {len(skipped)} images can be read ({reasons}{more})"


@final
class _Memory:
    """Results of earlier scans of the same place, by name, size and time of change.

    Items that failed are always read again.
    """

    def __init__(self, items: Items) -> None:
        self._items = items
        self._path = cache.folder() / "scans" / f"{digest_of(str(VERSION), items.key, items.reading.shaping)}.npz"
        self._known: dict[tuple[str, int, int], Found] = {}
        self._fresh = False
        if items.key:
            # absent or damaged (zip has a checksum): scan everything again
            with contextlib.suppress(Exception):
                self._known = self._load()

    def look_at(self, block: Sequence[int]) -> list[Found | str]:
        """Return for each position the digest and the shape, or the reason why there are none."""
        names = (
            [(self._items.name(position), *self._items.stamp(position)) for position in block]
            if self._items.key
            else []
        )
        old = [self._known.get(name) for name in names] or [None] * len(block)
        fresh = spread(self._look, [position for position, found in zip(block, old, strict=True) if found is None])
        results = [next(fresh) if found is None else found for found in old]
        for name, found, result in zip(names, old, results, strict=bool(names)):
            if found is None and not isinstance(result, str):
                self._known[name] = result
                self._fresh = True
        return results

    def _look(self, position: int) -> Found | str:
        try:
            return measure(self._items, position)
        except Unreadable as reason:
            return str(reason)
        except OSError as error:
            return error.strerror or str(error)

    def save(self) -> None:
        """Save the results, if there are new ones and the cache can be written."""
        if not self._fresh:
            return
        rows = list(self._known.items())
        arrays: dict[str, Any] = {
            "names": np.frombuffer(
                "\0".join(name for (name, _, _), _ in rows).encode("utf-8", "surrogateescape"), dtype=np.uint8
            ),
            "stamps": np.array([stamp for (_, *stamp), _ in rows], dtype=np.int64),
            "digests": np.frombuffer(b"".join(digest for _, (digest, _) in rows), dtype=np.uint8).reshape(-1, 32),
            "shapes": np.array([shape for _, (_, shape) in rows], dtype=np.int32),
        }
        with contextlib.suppress(OSError, UserError), cache.replacing(self._path) as file:
            np.savez(file, **arrays)

    def _load(self) -> dict[tuple[str, int, int], Found]:
        with self._path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            names = kept["names"].tobytes().decode("utf-8", "surrogateescape").split("\0")
            rows = zip(names, kept["stamps"].tolist(), kept["digests"], kept["shapes"].tolist(), strict=True)
            return {(name, *stamp): (row.tobytes(), tuple(shape)) for name, stamp, row, shape in rows}
