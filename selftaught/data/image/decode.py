"""Decode image files of any supported format into uint8 pixels."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from selftaught.data.image.source import Pixels

VERSION = 1
"""Version of the pixels that `decode` returns. Increase it when they change, to invalidate old cache entries."""
MOST_PIXELS = 89_478_485
"""Larger images (a quarter of a gigabyte as RGB) are refused as decompression bombs. Pillow has the same limit."""
MOST_BYTES = 512 << 20
"""Larger files are refused without reading them."""
KINDS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF", "TGA", "ICO")

Image.init()
# A fixed list, because Pillow's other readers are for rare formats, and one (EPS) starts another program.
_READERS = [kind for kind in KINDS if kind in Image.OPEN]


class Unreadable(Exception):
    """The bytes are not a readable image. The message gives the reason for `skipped.jsonl`."""


def decode(data: bytes, at_least: int = 0) -> Pixels:
    """Decode to uint8 [H, W, 1] for grey images and [H, W, 3] for all others.

    Takes the first frame of an animation, applies the EXIF orientation, composites transparency over white, divides
    16-bit values by 257, and converts palettes, CMYK and other colour spaces to RGB. If `at_least` > 0, a JPEG may be
    decoded at 1/2, 1/4 or 1/8 of its size, with both sides at least that many pixels. Raises Unreadable.
    """
    if data[:3] == b"\xff\xd8\xff":
        pixels = _jpeg(data, at_least)
        if pixels is not None:
            return pixels
    return _pillow(data)


def shape_of(data: bytes) -> tuple[int, int, int]:
    """Return the shape (H, W, C) that `decode` gives. Decodes the whole image, to find damage. Raises Unreadable."""
    if data[:3] == b"\xff\xd8\xff" and (pixels := _jpeg(data, 1)) is not None:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        return height, width, pixels.shape[2]
    height, width, channels = _pillow(data).shape
    return height, width, channels


def _jpeg(data: bytes, at_least: int) -> Pixels | None:
    """Return None if Pillow must decode it: CMYK, rotated, or not strictly valid."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        _check_size(width, height)
        if space not in ("Gray", "YCbCr", "RGB") or _turned(data):
            return None
        colours = "GRAY" if space == "Gray" else "RGB"
        pixels: Pixels = simplejpeg.decode_jpeg(data, colours, min_height=at_least, min_width=at_least)
    except ValueError:
        return None
    return pixels


def _turned(data: bytes) -> bool:
    if b"Exif\0\0" not in data[: 1 << 16]:
        return False
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return _orientation(image) != 1
    except Exception:
        return False


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # Pillow raises almost any error on damaged EXIF data, even if the image itself is fine
        return 1


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise Unreadable(f"{width}x{height} pixels are more than {MOST_PIXELS} (a decompression bomb?)")


def _pillow(data: bytes) -> Pixels:
    try:
        with Image.open(io.BytesIO(data), formats=_READERS) as image:
            _check_size(*image.size)
            image.load()
            upright = _orientation(image) not in range(2, 9)
            return eight_bit(image if upright else ImageOps.exif_transpose(image))
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable("not an image in a known format") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(f"more than {MOST_PIXELS} pixels (a decompression bomb?)") from None
    except MemoryError:
        raise Unreadable("too large for memory") from None
    # Pillow raises almost any error on damaged files: OSError, SyntaxError, struct.error, IndexError
    except Exception as error:
        raise Unreadable(f"damaged: {_sentence(error)}") from None


def _sentence(error: Exception) -> str:
    if isinstance(error, struct.error | EOFError | IndexError | KeyError) or not str(error):
        return "its structure is damaged"
    return str(error).splitlines()[0][:200]


def eight_bit(image: Image.Image) -> Pixels:
    """Convert the pixels of an open image by the rules of `decode`, without rotating it.

    Raises Unreadable for floats outside [0, 1].
    """
    mode = image.mode
    if mode.startswith("I"):  # I;16 and its byte orders; mode I has 32 bits, but files store 16-bit values in it
        return _sixteen(np.asarray(image))
    if mode == "F":
        values = np.asarray(image)
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise Unreadable("float pixels outside [0, 1]")
        return np.asarray(np.rint(values * 255), dtype=np.uint8)[..., None]
    clear = "transparency" in image.info
    if mode in ("LA", "La") or (mode in ("1", "L") and clear):
        return _over_white(np.asarray(image.convert("LA")))
    if mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None]
    if mode in ("RGBA", "RGBa", "PA") or clear:
        return _over_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _sixteen(values: NDArray[Any]) -> Pixels:
    if values.min() < 0 or values.max() > 65535:
        raise Unreadable("pixels of more than 16 bits")
    return np.asarray((values.astype(np.uint32) + 128) // 257, dtype=np.uint8)[..., None]


def _over_white(pixels: Pixels) -> Pixels:
    alpha = pixels[..., -1:].astype(np.uint32)
    colour = pixels[..., :-1].astype(np.uint32)
    return np.asarray((colour * alpha + 255 * (255 - alpha) + 127) // 255, dtype=np.uint8)


def square(pixels: Pixels, side: int) -> Pixels:
    """Return the central square of [H, W, C], resized (antialiased, bilinear) to [side, side, C]."""
    height, width, channels = pixels.shape
    edge = min(height, width)
    left, top = (width - edge) // 2, (height - edge) // 2
    box = (left, top, left + edge, top + edge)
    if channels == 3:
        return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR, box=box))
    planes = [Image.fromarray(np.ascontiguousarray(pixels[..., c])) for c in range(channels)]
    return np.stack([np.asarray(p.resize((side, side), Image.Resampling.BILINEAR, box=box)) for p in planes], axis=2)
