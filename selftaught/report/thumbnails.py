"""Images for a page: sprite sheets and single images as data URIs."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHEET_BYTES = 800_000
"""Size of the largest sprite sheet in bytes; a larger one is encoded again with lower quality."""


def picture(image: NDArray[np.uint8]) -> Image.Image:
    """Convert uint8 [H, W, C] to a Pillow image: the first channel as grey, or the first three of more as colour."""
    if image.shape[2] < 3:
        return Image.fromarray(np.ascontiguousarray(image[:, :, 0]))
    return Image.fromarray(np.ascontiguousarray(image[:, :, :3]))


def data_uri(data: bytes, kind: str) -> str:
    """Return `data` as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def single(image: NDArray[np.uint8], side: int = 96) -> str:
    """Return one image as a data URI, reduced to at most `side` px: lossless up to 48 px, WebP above."""
    small = shrink(image, side)
    out = io.BytesIO()
    if max(small.size) <= 48:
        small.save(out, "PNG", optimize=True)
        return data_uri(out.getvalue(), "image/png")
    small.save(out, "WEBP", quality=80)
    return data_uri(out.getvalue(), "image/webp")


def place(i: int, columns: int, cell: int) -> tuple[int, int]:
    """Return left and top of cell i of a sheet, in px."""
    return i % columns * cell, i // columns * cell


def shrink(image: NDArray[np.uint8], side: int) -> Image.Image:
    """Reduce an image to fit a square of `side` px, keeping its aspect ratio."""
    small = picture(image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def sheet(images: Iterable[NDArray[np.uint8]], side: int = 32) -> dict[str, Any]:
    """Put images (uint8 [H, W, C] each) into one WebP sheet: ``{"uri", "cell", "columns"}``.

    Cell i is at `place(i, columns, cell)`. An image keeps its aspect ratio and is centred in its square cell of at most
    `side` px. Large images may come from an iterator: only the reduced ones stay in memory.
    """
    whole, cell, columns = _composed(images, side)
    for quality in (75, 60, 45, 30, 15):
        out = io.BytesIO()
        whole.save(out, "WEBP", quality=quality, method=4)
        if out.tell() <= SHEET_BYTES:
            break
    return {"uri": data_uri(out.getvalue(), "image/webp"), "cell": cell, "columns": columns}


def film(images: Iterable[NDArray[np.uint8]], side: int = 64) -> dict[str, Any]:
    """Put the frames of a film (uint8 [H, W, C] each) into one sheet: ``{"uri", "cell", "columns", "count"}``.

    As `sheet`, but without loss if all have at most 256 colours together, as those of games and drawings.
    """
    frames = list(images)
    whole, cell, columns = _composed(frames, side)
    colours = whole.getcolors(256)
    out = io.BytesIO()
    if colours is None:
        whole.save(out, "WEBP", quality=75, method=4)
    else:
        whole.quantize(len(colours), dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    kind = "image/webp" if colours is None else "image/png"
    return {"uri": data_uri(out.getvalue(), kind), "cell": cell, "columns": columns, "count": len(frames)}


def _composed(images: Iterable[NDArray[np.uint8]], side: int) -> tuple[Image.Image, int, int]:
    """Return images in square cells of one picture, the size of a cell, and the number of columns."""
    smalls = [shrink(image, side) for image in images]
    cell = max(max(small.size) for small in smalls)
    columns = math.ceil(math.sqrt(len(smalls)))
    whole = Image.new("RGB", (columns * cell, math.ceil(len(smalls) / columns) * cell))
    for i, small in enumerate(smalls):
        left, top = place(i, columns, cell)
        whole.paste(small, (left + (cell - small.width) // 2, top + (cell - small.height) // 2))
    return whole, cell, columns
