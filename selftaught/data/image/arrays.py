"""Images in one array: in memory, or memory-mapped from a file or from the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.groups import absent, numbered, values
from selftaught.data.image.source import ImageSource, Pixels
from selftaught.data.labels import as_labels
from selftaught.errors import UserError
from selftaught.source import Index, Skipped, checked, digest_of

BLOCK = 32 << 20  # bytes per block, so that a memory-mapped array never has to fit in memory
WHOLE = 4 << 30  # bytes; the fingerprint of a larger array uses evenly spaced images
MOST_CHANNELS = 16  # a longer axis is never taken for channels


@final
class ArraySource(ImageSource):
    """Images of one size in one array, which is never copied as a whole.

    Args:
        images: [N, H, W, C]: uint8, or bool or float in [0, 1] (converted to uint8 on fetch), or integers in [0, 255].
        labels: int64 [N], -1 = unknown.
        classes: Names of the classes.
        digests: uint8 [N, 32], if the digests of the samples are already known (packed files keep those of their
            files).
        groups: int64 [N], see `ImageSource.groups`.
        skipped: What could not be read when the array was made.
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
        names: Callable[[Index], list[str]] | None = None,
    ) -> None:
        self._names = names
        self._images = images.view(np.ndarray)
        self._labels = np.full(len(images), -1, dtype=np.int64) if labels is None else labels
        self._digests = digests
        self._groups = groups
        self.classes = tuple(classes)
        self.channels = int(images.shape[3])
        self.image_size = (int(images.shape[1]), int(images.shape[2]))
        self.skipped = list(skipped)

    def __len__(self) -> int:
        return len(self._images)

    def fetch(self, index: Index) -> dict[str, Any]:
        """See `ImageSource.fetch`. "image" is a new uint8 array [B, H, W, C]."""
        index = checked(index, len(self))
        return {"image": as_bytes(self._images[index]), "label": self._labels[index], "index": index}

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
            for image in np.ascontiguousarray(as_bytes(block)):
                found += hashlib.sha256(shape + image.tobytes()).digest()
        return np.frombuffer(bytes(found), dtype=np.uint8).reshape(len(self), 32)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all pixels and labels, computed once. Above 4 GiB it uses evenly spaced images."""
        if self._digests is not None:
            return digest_of(self._digests.tobytes(), repr((self.channels, self.image_size)), self._labels.tobytes())
        whole = hashlib.sha256()
        for block in blocks(self._images[:: 1 + self._images.nbytes // WHOLE]):
            whole.update(np.ascontiguousarray(as_bytes(block)).data)
        return digest_of(whole.digest(), repr(self._images.shape), self._labels.tobytes())


def blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Return slices along the first axis of at most about `BLOCK` bytes."""
    step = max(1, BLOCK // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), step):
        yield array[start : start + step]


def as_bytes(images: NDArray[Any]) -> Pixels:
    """Convert to uint8 of the same shape: bool and float from [0, 1], integers from [0, 255]; nearest, ties to even.

    The range must have been checked before.
    """
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    if images.dtype.kind == "b":
        return images.astype(np.uint8) * np.uint8(255)
    if images.dtype.kind == "f":
        scaled: Pixels = np.rint(images.astype(np.float32) * np.float32(255)).astype(np.uint8)
        return scaled
    return images.astype(np.uint8)


def check_range(images: NDArray[Any], where: str) -> None:
    """Raises UserError if `as_bytes` cannot convert `images`.

    Reads every value, in blocks, unless the type is uint8 or bool.
    """
    if images.dtype.kind not in "buif":
        raise UserError(f"{where}: images are of type {images.dtype}: give uint8, or float in [0, 1]")
    if images.dtype.kind == "b" or images.dtype == np.uint8 or not images.size:
        return
    low, high = np.inf, -np.inf
    for block in blocks(images):
        if images.dtype.kind == "f" and not np.isfinite(block).all():
            raise UserError(f"{where}: images have values that are not finite (nan or inf): remove them")
        low, high = min(low, float(block.min())), max(high, float(block.max()))
    if images.dtype.kind == "f" and (low < 0 or high > 1):
        raise UserError(
            f"{where}: float images must be in [0, 1], but range from {low:g} to {high:g}: rescale them, or give uint8"
        )
    if images.dtype.kind in "iu" and (low < 0 or high > 255):
        raise UserError(
            f"{where}: integer images must be in [0, 255], but range from {low:g} to {high:g}: rescale them to uint8"
        )


def with_channels(images: NDArray[Any], where: str) -> NDArray[Any]:
    """Return a view [N, H, W, C] of [N, H, W], [N, H, W, C] or channels-first [N, C, H, W] images.

    Images are channels-first if the last axis is > 16 and the second <= 16.
    """
    if images.ndim == 3:
        images = images[..., None]
    elif images.ndim == 4 and images.shape[1] <= MOST_CHANNELS < images.shape[3]:
        images = images.transpose(0, 2, 3, 1)
    if images.ndim != 4:
        raise UserError(
            f"{where}: images have shape {images.shape}, but must be [N, H, W] or [N, H, W, C]: reshape them"
        )
    if 0 in images.shape:
        raise UserError(f"{where}: images have shape {images.shape}, which is empty")
    return images


def from_array(
    images: Any, labels: Any = None, classes: Sequence[str] = (), where: str = "array", groups: Any = None
) -> ArraySource:
    """Return a source over an array of images. `groups`: one per image, or a file with them, see `data.groups`.

    Raises UserError if the shape, type, range, labels or groups are invalid.
    """
    images = with_channels(np.asanyarray(images), where)
    check_range(images, where)
    known, names = as_labels(labels, len(images), where, classes)
    if groups is None:
        return ArraySource(images, known, names)
    found = values(groups, len(images), where)
    if found is None:
        raise absent(groups, where, ())
    return ArraySource(images, known, names, groups=numbered(found))
