"""The source of pictures with boxes: pictures reduced to the size that they are looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from selftaught.data.image.boxes.picture import Checked, Picture
from selftaught.data.image.decode import Unreadable, decode
from selftaught.data.image.levels import as_bytes, of_type
from selftaught.source import Index, Raw, Source, checked, digest_of

Pixels = NDArray[np.uint8]
COLOUR = 3
IN_MEMORY = 1 << 30
"""Bytes of reduced pictures that are kept; others are decoded again when they are fetched."""


@final
class Boxed(Source):
    """Pictures with boxes, reduced so that the longer side has at most `side` pixels.

    Fetches ``{"image": list of uint8 [H, W, C], "boxes": list of float32 [M, 4], in pixels of the reduced picture,
    "class": list of int64 [M], "ignored": list of bool [M], "index": int64 [B]}``.

    Attributes:
        side: The longest side in pixels.
        sizes: int64 [N, 2]: height and width of the pictures as they are.
        annotations: The boxes in pixels of the pictures as they are.
    """

    samples = "images"

    def __init__(
        self,
        pictures: Sequence[Picture],
        annotations: Sequence[Checked],
        sizes: Sequence[tuple[int, int]],
        digests: Sequence[bytes],
        classes: Sequence[str],
        channels: int,
        side: int,
        reduced: dict[int, Pixels] | None = None,
    ) -> None:
        self.pictures, self.annotations, self.classes = pictures, annotations, tuple(classes)
        self.sizes = np.array(sizes, np.int64).reshape(-1, 2)
        self.channels, self.side = channels, side
        self._digests = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
        self._reduced = {} if reduced is None else reduced
        self.traits = {"channels": channels, "size": None}

    def __len__(self) -> int:
        return len(self.pictures)

    def fetch(self, index: Index) -> Raw:
        """See the class."""
        index = checked(index, len(self))
        images = [self._pixels(int(i)) for i in index]
        found = [self.annotations[i] for i in index]
        shapes = np.array([image.shape[1::-1] for image in images], np.float64).reshape(-1, 2)
        scales = np.tile(shapes / self.sizes[index, ::-1], 2)  # [B, 4]
        boxes = [np.asarray(one.corners * scale, np.float32) for one, scale in zip(found, scales, strict=True)]
        return {
            "image": images, "boxes": boxes, "class": [one.classes for one in found],
            "ignored": [one.ignored for one in found], "index": index,
        }  # fmt: skip

    def names(self, index: Index) -> list[str]:
        """Return the names in the annotations."""
        return [self.pictures[i].name for i in checked(index, len(self))]

    def part(self, index: Index) -> Boxed:
        """Return the pictures at `index`, int64 [M], with what is in memory of them."""
        index = checked(index, len(self))
        reduced = {new: self._reduced[int(old)] for new, old in enumerate(index) if int(old) in self._reduced}
        made = Boxed(
            [self.pictures[i] for i in index], [self.annotations[i] for i in index], self.sizes[index].tolist(),
            [self._digests[i].tobytes() for i in index], self.classes, self.channels, self.side, reduced,
        )  # fmt: skip
        made.notes, made.skipped = self.notes, self.skipped
        return made

    @property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [N, 32], of the encoded pictures alone."""
        return self._digests

    @property
    def fingerprint(self) -> str:
        """A digest of pictures, boxes and size."""
        boxes = [part.tobytes() for one in self.annotations for part in (one.corners, one.classes, one.ignored)]
        return digest_of(self._digests.tobytes(), *boxes, repr((self.classes, self.channels, self.side)))

    def _pixels(self, i: int) -> Pixels:
        if i in self._reduced:
            return self._reduced[i]
        return reduced(self.pictures[i].read(), self.side, self.channels)[0]


def reduced(data: bytes, side: int, channels: int) -> tuple[Pixels, tuple[int, int], bytes]:
    """Return the pixels of an encoded picture, its size (height, width) as it is, and its SHA-256.

    Grey becomes colour where three channels are asked for. Raises Unreadable.
    """
    values = decode(data)
    height, width, there = values.shape
    if there == 1 and channels == COLOUR:
        values = np.repeat(values, COLOUR, axis=2)
    elif there != channels:
        raise Unreadable(f"it has {there} channels, and the encoder takes {channels}")
    pixels = as_bytes(values, None if values.dtype == np.uint8 else of_type(values.dtype))
    scale = min(side / max(height, width), 1.0)
    if scale < 1:
        to = (max(round(width * scale), 1), max(round(height * scale), 1))
        planes = [Image.fromarray(np.ascontiguousarray(pixels[..., c])) for c in range(channels)]
        pixels = np.stack([np.asarray(plane.resize(to, Image.Resampling.BILINEAR)) for plane in planes], axis=2)
    return np.ascontiguousarray(pixels), (height, width), hashlib.sha256(data).digest()
