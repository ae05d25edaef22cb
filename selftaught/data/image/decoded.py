"""Images that are decoded on every fetch, and the decision to pack them instead."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import cache
from selftaught.data.image import decode, levels, pack
from selftaught.data.image.arrays import ArraySource
from selftaught.data.image.items import Items, axis_of_items, sample, values_of
from selftaught.data.image.pages import Pages
from selftaught.data.image.reading import DEFAULT, Ranges, Reading
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

    Args:
        items: The images.
        found: The scan of `items`.
        side: Height and width of the squares.
        ranges: The values of more than 8 bits that become 0 and 255; None if there are none.
    """

    def __init__(self, items: Items, found: Scan, side: int | None = None, ranges: Ranges | None = None) -> None:
        self._items = items
        self._found = found
        self._side = side
        self._ranges = ranges
        self.classes = tuple(items.classes)
        self.skipped = found.skipped
        kinds = set(found.shapes[:, 2].tolist())
        if not (len(kinds) == 1 or kinds == {1, 3}):
            raise UserError(
                f"{items.where}: images have {', '.join(map(str, sorted(kinds)))} channels: use one number of channels"
                " (--bands chooses them)"
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
        values = _read(self._items, position, 2 * self._side if self._side else 0)
        pixels = levels.as_bytes(values, self._ranges)
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
        """A digest of file contents in order, channels, size, labels and reading; the same for packed images."""
        return digest_of(self.digests.tobytes(), self.form, self.labels.tobytes())


def _read(items: Items, position: int, at_least: int = 0) -> NDArray[Any]:
    try:
        return values_of(items, position, at_least)
    except (OSError, decode.Unreadable) as error:
        raise UserError(f"{items.name(position)}: changed or removed since it was scanned ({error})") from None


def build(
    items: Items,
    want: Draw | None = None,
    size: int | None = None,
    progress: Progress = silent,
    reading: Reading = DEFAULT,
    like: Sequence[Items] = (),
    groups: Any = None,
) -> ImageSource:
    """Return a source over `items`, packed in the cache if the images are small and of one size, or if `size` is given.

    Raises UserError if no image can be read, or there are no such groups. If the disk is full, images are decoded on
    every fetch instead.

    Args:
        items: The images.
        want: Spares reading the items that are not asked for: the source has all items, or is `drawn`.
        size: See `open_images`.
        progress: Called as (done, total).
        reading: What is read of each item.
        like: The items of all parts of the data set, those of the training part first: all decide the axis of the
            channels, the training part decides the range.
        groups: See `data.groups`.
    """
    if groups is not None:
        items.group(groups)
    like = like or [items]
    axis, note = axis_of_items(like, reading.axis)
    for part in like:
        part.reading = replace(reading, axis=axis)
    read = _pages(items)
    found, done = scan(read, want or Draw(), progress)
    marks = found.shapes[:, 3]
    ranges, line = None, reading.remark
    if (marks & decode.WIDE).any():
        ranges, line = _ranges(read, found, reading, read if like[0] is items else _pages(like[0]))
    source = DecodedSource(read, found, round(MARGIN * size) if size else None, ranges)
    source.drawn, source.of = want if done else None, len(read)
    source.reading = reading.told | levels.stored(ranges)
    source.notes = tuple(filter(None, (note, _several(int((marks & decode.PAGED > 0).sum())), line)))
    if source.image_size is None or not (size or (read.pack and max(source.image_size) <= SMALL)):
        return source
    shape = (len(source), *source.image_size, source.channels)
    if np.prod(shape, dtype=np.float64) > MOST_PACKED:
        return source
    try:
        images = pack.packed(source, shape, progress)
    except (OSError, cache.Unwritable) as error:
        log.warning("images are decoded in every epoch, because the cache cannot be written: %s", error)
        return source
    packed = ArraySource(
        images, source.labels, source.classes, digests=found.digests, groups=source.groups, skipped=found.skipped,
        names=source.names,
    )  # fmt: skip
    packed.drawn, packed.of = source.drawn, source.of
    packed.reading, packed.notes = source.reading, source.notes
    return packed


def _pages(items: Items) -> Items:
    """Return the pages of the items if each is a sample, else the items."""
    return Pages(items) if items.reading.pages == "all" else items


def _several(files: int) -> str:
    if not files:
        return ""
    return (
        f"{files:,} files have several pages or frames, of which the first is read (--pages all makes each a sample, "
        "channels makes each a channel, a number takes that one)"
    )


def _ranges(items: Items, found: Scan, reading: Reading, training: Items) -> tuple[Ranges, str]:
    """Return the range of the training part, and a note; where its sample has 8 bits only, that of these items."""
    drawn = sample(training)
    if not drawn:
        wide = found.positions[found.shapes[:, 3] & decode.WIDE > 0]
        drawn = [levels.thinned(_read(items, int(position))) for position in wide[: levels.IMAGES]]
    return levels.decide(drawn, reading.ranges, training.where)
