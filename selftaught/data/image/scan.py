"""Scan every item once: its shape, its digest, and whether it can be read.

Results are kept in the cache.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import cache
from selftaught.data.image.decode import VERSION, Unreadable
from selftaught.data.image.items import Items, measure
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


def scan(items: Items, limit: int | None, progress: Progress) -> Scan:
    """Scan every item, or until `limit` readable ones are found. Raises UserError if none can be read."""
    memory = _Memory(items)
    kept: list[tuple[int, Found]] = []
    skipped: list[Skipped] = []
    try:
        for start in range(0, len(items), TOGETHER):
            block = range(start, min(start + TOGETHER, len(items)))
            for position, result in zip(block, memory.look_at(block), strict=True):
                if len(kept) == limit:
                    break
                if isinstance(result, str):
                    skipped.append({"path": items.name(position), "reason": result})
                else:
                    kept.append((position, result))
            progress(block.stop, len(items))
            if len(kept) == limit:
                break
    finally:
        memory.save()
    if not kept:
        raise UserError(_nothing(items, [*items.skipped, *skipped]))
    return Scan(
        np.array([position for position, _ in kept], dtype=np.int64),
        np.frombuffer(b"".join(digest for _, (digest, _) in kept), dtype=np.uint8).reshape(-1, 32),
        np.array([shape for _, (_, shape) in kept], dtype=np.int32),
        [*items.skipped, *skipped],
    )


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

    def look_at(self, block: range) -> list[Found | str]:
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
