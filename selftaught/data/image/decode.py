"""Decode image files of any supported format into pixels, of the type that the file has."""

from __future__ import annotations

import io
import os
import struct
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from selftaught.data.image import tiff
from selftaught.data.image.levels import check_type, is_wide
from selftaught.data.image.reading import DEFAULT, Reading
from selftaught.data.image.source import Pixels
from selftaught.errors import UserError

VERSION = 3
"""Version of the pixels that `decode` returns. Increase it when they change, to invalidate old cache entries."""
MOST_PIXELS = 89_478_485
"""Larger images (a quarter of a gigabyte as RGB) are refused as decompression bombs. Pillow has the same limit."""
MOST_BYTES = 512 << 20
"""Larger files are refused without reading them."""
BOUND = "SELFTAUGHT_MAX_PIXELS"
"""The environment variable that replaces `MOST_PIXELS`, and `MOST_BYTES` with it."""
KINDS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF", "TGA", "ICO")
WIDE, PAGED = 1, 2
"""What `look` says of an image: its pixels have more than 8 bits; its file has more pages than are read."""
T = TypeVar("T")

Image.init()
# A fixed list, because Pillow's other readers are for rare formats, and one (EPS) starts another program.
_READERS = [kind for kind in KINDS if kind in Image.OPEN]
_NATIVE = "L" if sys.byteorder == "little" else "B"
# Pillow keeps the upper half of the 16 bits of a colour. Read as if its bytes were swapped, it keeps the lower half.
_LOWER = {"B": "L", "L": "B", "N": "B" if _NATIVE == "L" else "L"}
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {  # by the EXIF standard
    2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1], 5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1), 7: lambda p: np.rot90(p, 2).transpose(1, 0, 2), 8: np.rot90,
}  # fmt: skip


class Unreadable(Exception):
    """The bytes are not a readable image. The message gives the reason for `skipped.jsonl`."""


def decode(data: bytes, at_least: int = 0, reading: Reading = DEFAULT) -> NDArray[Any]:
    """Decode to [H, W, C]: uint8, or the type of the file (uint16, int32, float32, ...) if it has more bits.

    Takes the bands and the page that `reading` says, the first frame of an animation by default. By default C is 1 for
    grey images and 3 for all others, but for TIFF files whose tags say that they have more bands than colours:
    transparency is composited over white; palettes, CMYK and other colour spaces are converted to RGB. The EXIF
    orientation is applied. If `at_least` > 0, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, with both sides at
    least that many pixels. Raises Unreadable.
    """
    if data[:3] == b"\xff\xd8\xff" and reading.pages in ("first", 0):
        pixels = _jpeg(data, at_least)
        if pixels is not None:
            return chosen(pixels, reading)
    if reading.pages != "channels":
        return _page(data, reading.pages if isinstance(reading.pages, int) else 0, reading)
    whole = [_page(data, page, reading) for page in range(count_pages(data))]
    if len({page.shape for page in whole}) != 1:
        raise Unreadable("its pages differ in size and cannot be channels of one image")
    return np.concatenate(whole, axis=2)


def look(data: bytes, reading: Reading = DEFAULT) -> tuple[int, int, int, int]:
    """Return (H, W, C) of what `decode` gives, and `WIDE` and `PAGED` where they are true.

    Decodes the whole image, to find damage. Raises Unreadable.
    """
    usual = reading.pages == "first" and reading.bands is None
    if data[:3] == b"\xff\xd8\xff" and usual and (pixels := _jpeg(data, 1)) is not None:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        return height, width, pixels.shape[2], 0
    found = decode(data, 0, reading)
    try:
        check_type(found, "image")  # nan in a TIFF of floats is found now, not while training
    except UserError as error:
        raise Unreadable(str(error).removeprefix("image: ")) from None
    height, width, channels = found.shape
    more = reading.pages == "first" and _has_pages(data)
    return height, width, channels, WIDE * is_wide(found) + PAGED * more


def count_pages(data: bytes) -> int:
    """Return the number of pages or frames of a file. Raises Unreadable."""
    if data[:4] in tiff.MARKS and (found := tiff.pages(data)):
        return len(found)

    def count() -> int:
        with _opened(data) as image:
            return int(getattr(image, "n_frames", 1))

    return _guarded(count)


def _has_pages(data: bytes) -> bool:
    start = data[:4096]
    if start[:4] in tiff.MARKS:
        return len(tiff.pages(data, 2)) > 1
    if not (start[:3] == b"GIF" or b"acTL" in start or b"ANIM" in start or b"ftypavis" in start):
        return False  # still: neither GIF nor an animated PNG, WebP or AVIF

    def several() -> bool:
        with _opened(data) as image:
            return bool(getattr(image, "is_animated", False))

    try:
        return _guarded(several)
    except Unreadable:  # damaged behind the first frame, which is all that is read
        return False


def most_pixels() -> int:
    """Return the largest number of pixels that is decoded. Raises UserError if $SELFTAUGHT_MAX_PIXELS is no number."""
    text = os.environ.get(BOUND, "")
    if not text:
        return MOST_PIXELS
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{BOUND} must be a number of pixels, at least 1, not '{text}'")
    return int(text)


def most_bytes() -> int:
    """Return the size of the largest file that is read: `MOST_BYTES`, or more if more pixels are allowed."""
    return MOST_BYTES * max(1, -(-most_pixels() // MOST_PIXELS))


def _jpeg(data: bytes, at_least: int) -> Pixels | None:
    """Return None if Pillow must decode it: CMYK, rotated, or not strictly valid."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        _check_size(width, height)
        if space not in ("Gray", "YCbCr", "RGB") or _turned(data):
            return None
        colours = "GRAY" if space == "Gray" else "RGB"
        pixels: Pixels = simplejpeg.decode_jpeg(data, colours, min_height=at_least, min_width=at_least)
    except UserError:
        raise
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


def _check_size(width: int, height: int, samples: int = 1) -> None:
    most = most_pixels()
    if width * height * max(1, samples / 4) > most:
        raise Unreadable(
            f"{width}x{height} pixels are more than {most} (a decompression bomb?): set {BOUND} to allow more"
        )


def _opened(data: bytes) -> Image.Image:
    most = most_pixels()
    if Image.MAX_IMAGE_PIXELS is not None and most > max(MOST_PIXELS, Image.MAX_IMAGE_PIXELS):
        Image.MAX_IMAGE_PIXELS = most  # Pillow's own bound, for the whole process, as the user asked
    image = Image.open(io.BytesIO(data), formats=_READERS)
    _check_size(*image.size)
    return image


def _page(data: bytes, page: int, reading: Reading) -> NDArray[Any]:
    if data[:4] in tiff.MARKS:
        found = tiff.pages(data, page + 1)
        if found and page >= len(found):
            raise Unreadable(f"it has no page {page + 1}")
        if found and found[page].reader == "tifffile":
            return _bands(data, found[page], reading)
        page = found[page].index if found else page
    return _guarded(lambda: _pillow(data, page, reading))


def _pillow(data: bytes, page: int, reading: Reading) -> NDArray[Any]:
    with _opened(data) as image:
        if page:
            try:
                image.seek(page)
            except EOFError:
                raise Unreadable(f"it has no page {page + 1}") from None
        half = _half(image)
        image.load()
        orientation = _orientation(image)
        if half:
            with _opened(data) as other:
                other.seek(page)
                values = _sixteen(image, other, half)
            values = chosen(values, reading) if half.startswith("RGB;") else _without_alpha(values, reading)
        else:
            values = native(image, reading)
    return np.ascontiguousarray(_turn(values, orientation))


def _turn(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    turn = _UPRIGHT.get(orientation)
    return values if turn is None else turn(values)


def _guarded(work: Callable[[], T]) -> T:
    """Return what `work` returns. Raises Unreadable for whatever Pillow raises on damaged files."""
    try:
        return work()
    except (Unreadable, UserError):
        raise
    except UnidentifiedImageError:
        raise Unreadable("not an image in a known format") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(
            f"more than {most_pixels()} pixels (a decompression bomb?): set {BOUND} to allow more"
        ) from None
    except MemoryError:
        raise Unreadable("too large for memory") from None
    # Pillow raises almost any error on damaged files: OSError, SyntaxError, struct.error, IndexError
    except Exception as error:
        raise Unreadable(f"damaged: {_sentence(error)}") from None


def _sentence(error: Exception) -> str:
    if isinstance(error, struct.error | EOFError | IndexError | KeyError) or not str(error):
        return "its structure is damaged"
    return str(error).splitlines()[0][:200]


def _bands(data: bytes, page: tiff.Page, reading: Reading) -> NDArray[Any]:
    _check_size(page.one("width", 0), page.one("height", 0), page.samples)
    need = f"its {page.samples} bands need tifffile and imagecodecs: pip install 'selftaught[tiff]'"
    try:
        values = _guarded(lambda: tiff.read(data, page))
    except Unreadable as error:
        missing = "tifffile" in str(error) or "imagecodecs" in str(error)
        raise Unreadable(need if missing else str(error)) from None
    values = _turn(values, page.one("orientation", 1))
    if page.transparent:
        return np.ascontiguousarray(_without_alpha(values, reading))
    return np.ascontiguousarray(chosen(values, reading))


def _half(image: Image.Image) -> str:
    """Return how Pillow packs pixels of several channels of 16 bits, of which it keeps half ("RGB;16B"), else ""."""
    packed = {tile.args if isinstance(tile.args, str) else tile.args[0] for tile in getattr(image, "tile", ())}
    name = packed.pop() if len(packed) == 1 else ""
    return name if isinstance(name, str) and name.startswith(("LA;16", "RGB;16", "RGBA;16")) else ""


def _sixteen(upper: Any, lower: Any, packed: str) -> NDArray[np.uint16]:
    """Return [H, W, C] with all 16 bits. `upper` is loaded, `lower` is the same image, not yet loaded."""
    name = "RGBA" if packed == "LA;16B" else packed[:-1] + _LOWER[packed[-1]]  # RGBA: the four bytes as they are
    lower.tile = [
        tile._replace(args=name if isinstance(tile.args, str) else (name, *tile.args[1:])) for tile in lower.tile
    ]
    lower.load()
    low = np.asarray(lower).astype(np.uint16)
    if packed == "LA;16B":
        return np.asarray(low[..., ::2] << 8 | low[..., 1::2], dtype=np.uint16)
    return np.asarray(np.asarray(upper).astype(np.uint16) << 8 | low, dtype=np.uint16)


def native(image: Image.Image, reading: Reading = DEFAULT) -> NDArray[Any]:
    """Return [H, W, C] of an open image by the rules of `decode`, without rotating it."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":  # I;16 and its byte orders, I of 32 bits
        return chosen(np.asarray(image)[..., None], reading)
    clear = "transparency" in image.info
    if mode in ("LA", "La") or (mode in ("1", "L") and clear):
        return _without_alpha(np.asarray(image.convert("LA")), reading)
    if mode in ("1", "L"):
        return chosen(np.asarray(image.convert("L"))[..., None], reading)
    if mode in ("RGBA", "RGBa", "PA") or clear:
        return _without_alpha(np.asarray(image.convert("RGBA")), reading)
    if mode == "CMYK" and reading.bands is not None:
        return chosen(np.asarray(image), reading)
    return chosen(np.asarray(image.convert("RGB")), reading)


def chosen(values: NDArray[Any], reading: Reading) -> NDArray[Any]:
    """Return the bands of [H, W, C] that were asked for. Raises Unreadable if there are fewer."""
    if not isinstance(reading.bands, tuple):
        return values
    if max(reading.bands) >= values.shape[-1]:
        raise Unreadable(f"it has {values.shape[-1]} bands, not {max(reading.bands) + 1}")
    return values[..., list(reading.bands)]


def _without_alpha(values: NDArray[Any], reading: Reading) -> NDArray[Any]:
    """Composite [H, W, C + 1] of uint8 or uint16 over white, unless its bands were asked for as they are."""
    if reading.bands is not None:
        return chosen(values, reading)
    white = np.uint32(np.iinfo(values.dtype).max)
    alpha = values[..., -1:].astype(np.uint32)
    colour = values[..., :-1].astype(np.uint32)
    return np.asarray((colour * alpha + white * (white - alpha) + white // np.uint32(2)) // white, dtype=values.dtype)


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
