"""Images that are decoded on every fetch, and the decision to pack them instead."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import cache
from selftaught.data.image import decode, pack
from selftaught.data.image.arrays import ArraySource
from selftaught.data.image.items import Items, pixels_of
from selftaught.data.image.scan import Scan, scan
from selftaught.data.image.source import ImageSource, Pixels
from selftaught.data.subset import Draw
from selftaught.data.workers import spread
from selftaught.errors import UserError
from selftaught.kind import Progress, silent
from selftaught.source import Index, checked, digest_of

log = logging.getLogger("selftaught.data")
SMALL = 96  # pixels: images of one size up to this limit are packed
MOST_PACKED = 4 << 30  # bytes
MARGIN = 1.15  # packed squares are larger than the crops taken from them, as in resize-then-crop


@final
class DecodedSource(ImageSource):
    """The readable images of `items`, decoded in threads on every fetch.

    If grey and colour images are mixed, all become colour. With `side`, every image is its central square of that size.
    """

    def __init__(self, items: Items, found: Scan, side: int | None = None) -> None:
        self._items = items
        self._found = found
        self._side = side
        self.classes = tuple(items.classes)
        self.skipped = found.skipped
        kinds = set(found.shapes[:, 2].tolist())
        if not (len(kinds) == 1 or kinds == {1, 3}):
            raise UserError(
                f"{items.where}: images have {', '.join(map(str, sorted(kinds)))} channels: use one number of channels"
            )
        self.channels = max(kinds)
        sizes = np.unique(found.shapes[:, :2], axis=0)
        uniform = (int(sizes[0, 0]), int(sizes[0, 1])) if len(sizes) == 1 else None
        self.image_size = (side, side) if side else uniform

    def __len__(self) -> int:
        return len(self._found.positions)

    def fetch(self, index: Index) -> dict[str, Any]:
        """See `ImageSource.fetch`. Raises UserError if a file was changed or removed since it was scanned."""
        index = checked(index, len(self))
        images = list(spread(self._one, index.tolist()))
        return {
            "image": np.stack(images) if self.image_size and images else images,
            "label": self.labels[index],
            "index": index,
        }

    def _one(self, i: int) -> Pixels:
        position = int(self._found.positions[i])
        try:
            pixels = pixels_of(self._items, position, 2 * self._side if self._side else 0)
        except (OSError, decode.Unreadable) as error:
            raise UserError(
                f"{self._items.name(position)}: changed or removed since it was scanned ({error})"
            ) from None
        if self._side:
            pixels = decode.square(pixels, self._side)
        elif pixels.shape[:2] != tuple(self._found.shapes[i, :2]):
            raise UserError(f"{self._items.name(position)}: changed since it was scanned: start again")
        return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 < self.channels else pixels

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """int64 [N], -1 = unknown."""
        return self._items.labels[self._found.positions]

    @cached_property
    def groups(self) -> NDArray[np.int64] | None:
        """int64 [N] or None."""
        return None if self._items.groups is None else self._items.groups[self._found.positions]

    def names(self, index: Index) -> list[str]:
        """Return the paths below the folder, or the rows."""
        return [self._items.name(int(self._found.positions[i])) for i in checked(index, len(self))]

    @property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [N, 32], of the files, not of their pixels."""
        return self._found.digests

    @cached_property
    def fingerprint(self) -> str:
        """A digest of file contents in order, channels, size and labels; the same for packed and unpacked images."""
        return digest_of(self.digests.tobytes(), repr((self.channels, self.image_size)), self.labels.tobytes())


def build(
    items: Items, want: Draw | None = None, size: int | None = None, progress: Progress = silent, groups: Any = None
) -> ImageSource:
    """Return a source over `items`, packed in the cache if the images are small and of one size, or if `size` is given.

    `want` spares reading the items that are not asked for: the source has all items, or is `drawn`. `groups`: see
    `data.groups`. Raises UserError if no image can be read, or there are no such groups. If the disk is full, images
    are decoded on every fetch instead.
    """
    if groups is not None:
        items.group(groups)
    found, done = scan(items, want or Draw(), progress)
    source = DecodedSource(items, found, round(MARGIN * size) if size else None)
    source.drawn, source.of = want if done else None, len(items)
    if source.image_size is None or not (size or (items.pack and max(source.image_size) <= SMALL)):
        return source
    shape = (len(source), *source.image_size, source.channels)
    if np.prod(shape, dtype=np.float64) > MOST_PACKED:
        return source
    try:
        images = pack.packed(source, shape, progress)
    except (OSError, cache.Unwritable) as error:
        log.warning("images are decoded in every epoch, because the cache cannot be written: %s", error)
        return source
    made = ArraySource(
        images, source.labels, source.classes, digests=found.digests, groups=source.groups, skipped=found.skipped,
        names=source.names,
    )  # fmt: skip
    made.drawn, made.of = source.drawn, source.of
    return made
