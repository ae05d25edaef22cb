"""Images in one array: in memory, or memory-mapped from a file or from the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.groups import absent, numbered, values
from selftaught.data.image import levels
from selftaught.data.image.axes import axis_of, with_channels
from selftaught.data.image.levels import as_bytes
from selftaught.data.image.reading import DEFAULT, Axis, Ranges, Reading
from selftaught.data.image.source import ImageSource
from selftaught.data.labels import as_labels
from selftaught.errors import UserError
from selftaught.source import Index, Skipped, checked, digest_of, evenly

BLOCK = 32 << 20  # bytes per block, so that a memory-mapped array never has to fit in memory
WHOLE = 4 << 30  # bytes; the fingerprint of a larger array uses evenly spaced images


@final
class ArraySource(ImageSource):
    """Images of one size in one array, which is never copied as a whole.

    Args:
        images: [N, H, W, C]: uint8, or any other numbers, which are converted to uint8 on fetch.
        labels: int64 [N], -1 = unknown.
        classes: Names of the classes.
        digests: uint8 [N, 32], if the digests of the samples are already known (packed files keep those of their
            files).
        groups: int64 [N], see `ImageSource.groups`.
        skipped: What could not be read when the array was made.
        ranges: The values that become 0 and 255, for types of more than 8 bits. None is that of the type.
        names: Names the images at some positions; by default by their positions.
    """

    def __init__(
        self,
        images: NDArray[Any],
        labels: NDArray[np.int64] | None = None,
        classes: Sequence[str] = (),
        *,
        digests: NDArray[np.uint8] | None = None,
        groups: NDArray[np.int64] | None = None,
        skipped: Sequence[Skipped] = (),
        ranges: Ranges | None = None,
        names: Callable[[Index], list[str]] | None = None,
    ) -> None:
        self._names = names
        self._images = images.view(np.ndarray)
        self._labels = np.full(len(images), -1, dtype=np.int64) if labels is None else labels
        self._digests = digests
        self._groups = groups
        self._ranges = ranges
        self.classes = tuple(classes)
        self.channels = int(images.shape[3])
        self.image_size = (int(images.shape[1]), int(images.shape[2]))
        self.skipped = list(skipped)

    def __len__(self) -> int:
        return len(self._images)

    def fetch(self, index: Index) -> dict[str, Any]:
        """See `ImageSource.fetch`. "image" is a new uint8 array [B, H, W, C]."""
        index = checked(index, len(self))
        return {"image": as_bytes(self._images[index], self._ranges), "label": self._labels[index], "index": index}

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 [N], -1 = unknown."""
        return self._labels

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """int64 [N] or None."""
        return self._groups

    def names(self, index: Index) -> list[str]:
        """Return the names of the files that the array was made of, else the positions."""
        return super().names(index) if self._names is None else self._names(index)

    @cached_property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [N, 32]: SHA-256 of each image's shape and pixels."""
        if self._digests is not None:
            return self._digests
        shape = repr(self._images.shape[1:]).encode()
        found = bytearray()
        for block in blocks(self._images):
            for image in np.ascontiguousarray(as_bytes(block, self._ranges)):
                found += hashlib.sha256(shape + image.tobytes()).digest()
        return np.frombuffer(bytes(found), dtype=np.uint8).reshape(len(self), 32)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all pixels and labels, computed once. Above 4 GiB it uses evenly spaced images."""
        if self._digests is not None:
            return digest_of(self._digests.tobytes(), self.form, self._labels.tobytes())
        whole = hashlib.sha256()
        for block in blocks(self._images[:: 1 + self._images.nbytes // WHOLE]):
            whole.update(np.ascontiguousarray(as_bytes(block, self._ranges)).data)
        return digest_of(whole.digest(), repr(self._images.shape), self._labels.tobytes())


def blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Return slices along the first axis of at most about `BLOCK` bytes."""
    step = max(1, BLOCK // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), step):
        yield array[start : start + step]


def from_array(
    images: Any,
    labels: Any = None,
    classes: Sequence[str] = (),
    where: str = "array",
    reading: Reading = DEFAULT,
    like: Sequence[Any] = (),
    groups: Any = None,
) -> ArraySource:
    """Return a source over an array of images.

    Raises UserError if the shape, type, labels or groups are invalid.

    Args:
        images: The images.
        labels: See `as_labels`.
        classes: Names of the labels.
        where: The name of the whole in messages.
        reading: How the pixels are read. An array has no pages.
        like: The images of all parts of the data set, those of the training part first: all decide the axis of the
            channels, the training part decides the range.
        groups: One per image, or a file with them, see `data.groups`.
    """
    parts = [np.asanyarray(part) for part in (like or [images])]
    axis, note = axis_of([part.shape[1:] for part in parts if part.ndim == 4], reading.axis, where)
    found = _shaped(np.asanyarray(images), where, axis, reading)
    for block in blocks(found):
        levels.check_type(block, where)
    ranges, line = None, reading.remark
    if levels.is_wide(found):
        training = _shaped(parts[0], where, axis, reading)
        ranges, line = _ranges(training if levels.is_wide(training) else found, reading, where)
    known, names = as_labels(labels, len(found), where, classes)
    grouped = None if groups is None else values(groups, len(found), where)
    if groups is not None and grouped is None:
        raise absent(groups, where, ())
    own = None if grouped is None else numbered(grouped)
    source = ArraySource(found, known, names, groups=own, ranges=ranges)
    source.reading = reading.told | levels.stored(ranges)
    source.notes = tuple(filter(None, (note, line)))
    return source


def _shaped(images: NDArray[Any], where: str, axis: Axis, reading: Reading) -> NDArray[Any]:
    """Return [N, H, W, C], with the bands that `reading` asks for."""
    found: NDArray[Any] = with_channels(images, where, axis)
    if not isinstance(reading.bands, tuple):
        return found
    if max(reading.bands) >= found.shape[3]:
        raise UserError(f"{where}: it has {found.shape[3]} bands, not {max(reading.bands) + 1}: choose other --bands")
    steps = set(np.diff(reading.bands).tolist())
    if len(steps) == 1 and 0 not in steps:  # a view, because an array in a file may not fit in memory
        found = found[..., reading.bands[0] :: steps.pop()][..., : len(reading.bands)]
    else:
        found = found[..., list(reading.bands)]
    return found


def _ranges(images: NDArray[Any], reading: Reading, where: str) -> tuple[Ranges, str]:
    """Return the range of an array, all of which is looked at to find whether it has plain values, and a note."""
    if reading.ranges == "auto" and (found := levels.plain_range(blocks(images))) is not None:
        return found, ""
    sample = [levels.thinned(images[i]) for i in evenly(len(images), levels.IMAGES)]
    return levels.decide(sample, reading.ranges, where)
