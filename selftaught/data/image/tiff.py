"""TIFF files that Pillow cannot read whole: many bands, bands beside colours, and more than 8 bits in several bands.

Those are read by tifffile, which the extra [tiff] installs with the codecs for compressed files.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SIZES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types of the numbers that are read: BYTE, SHORT, LONG, LONG8
_KNOWN = {
    254: "subfile", 256: "width", 257: "height", 258: "bits", 262: "photometric", 274: "orientation", 277: "samples",
    284: "planar", 338: "extra", 339: "format",
}  # fmt: skip
RGB = 2
SECONDARY = 1 | 4
"""Bits of NewSubfileType: a smaller copy, and a mask."""
ALPHA = (1, 2)
"""Values of ExtraSamples that say transparency; 0 is a band of another meaning."""
COLOURS = {0: 1, 1: 1, RGB: 3, 3: 1, 5: 4, 6: 3, 8: 3}
"""Samples that each photometric interpretation needs by itself."""


@final
@dataclass(frozen=True)
class Page:
    """What the tags of one page say. `index` is its place among all directories of the file."""

    index: int
    tags: dict[str, tuple[int, ...]]

    def one(self, name: str, default: int) -> int:
        """Return the first number of a tag."""
        return self.tags.get(name, (default,))[0]

    @property
    def samples(self) -> int:
        """Number of bands, transparency included."""
        return self.one("samples", 1)

    @property
    def transparent(self) -> bool:
        """Whether the last band is transparency, and no other band is beside the colours."""
        extra = self.tags.get("extra", ())
        return len(extra) == 1 and extra[0] in ALPHA and self.samples == self.own + 1

    @property
    def own(self) -> int:
        """Bands that the photometric interpretation needs."""
        return COLOURS.get(self.one("photometric", 1), 1)

    @property
    def reader(self) -> Literal["pillow", "tifffile"]:
        """Which library reads every band of the page at its full depth."""
        bits, formats = set(self.tags.get("bits", (1,))), set(self.tags.get("format", (1,)))
        if self.samples == 1:
            return "pillow"
        if (self.samples == self.own or self.transparent) and formats == {1}:
            sixteen = bits == {16} and self.one("photometric", 1) == RGB and self.one("planar", 1) == 1
            if bits == {8} or sixteen:
                return "pillow"
        return "tifffile"


def pages(data: bytes, most: int | None = None) -> list[Page]:
    """Return the pages of a TIFF file without smaller copies and masks; at most the first `most` of them.

    Empty if the bytes are not a TIFF file, or its directories are damaged.
    """
    found: list[Page] = []
    try:
        order, big = {b"II": "<", b"MM": ">"}[data[:2]], data[2:4] in (b"+\0", b"\0+")
        pointer, number = ("Q", "Q") if big else ("I", "H")
        (at,) = struct.unpack_from(order + pointer, data, 8 if big else 4)
        seen, index = set[int](), 0
        while at and at not in seen and len(found) != most:
            seen.add(at)
            (count,) = struct.unpack_from(order + number, data, at)
            at += struct.calcsize(order + number)
            step = 20 if big else 12
            tags = dict(_tag(data, at + step * i, order, pointer) for i in range(min(count, 4096)))
            page = Page(index, {_KNOWN[key]: value for key, value in tags.items() if key in _KNOWN and value})
            if not page.one("subfile", 0) & SECONDARY or not index:
                found.append(page)
            (at,) = struct.unpack_from(order + pointer, data, at + step * count)
            index += 1
    except (KeyError, struct.error):
        pass
    return found


def _tag(data: bytes, at: int, order: str, pointer: str) -> tuple[int, tuple[int, ...]]:
    tag, kind, count = struct.unpack_from(f"{order}HH{pointer}", data, at)
    if tag not in _KNOWN or kind not in _SIZES or count > 65535:
        return tag, ()
    form, place = f"{order}{count}{_SIZES[kind]}", at + 4 + struct.calcsize(order + pointer)
    if struct.calcsize(form) > struct.calcsize(order + pointer):
        (place,) = struct.unpack_from(order + pointer, data, place)
    return tag, struct.unpack_from(form, data, place)


def read(data: bytes, page: Page) -> NDArray[Any]:
    """Return every band of a page as it is stored: [H, W, C] of the file's own type.

    Raises ImportError without the extra, and almost any exception if the file is damaged.
    """
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        found = file.pages[page.index]
        values, axes = np.asarray(found.asarray()), found.axes
    if axes == "SYX":
        return np.moveaxis(values, 0, -1)
    if axes not in ("YX", "YXS"):
        raise ValueError(f"its axes are {axes}, not those of a picture")
    return values.reshape(*values.shape[:2], -1)
