"""A folder that holds one of everything that goes wrong in folders of pictures, and what should become of each."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass
class Hostile:
    root: Path
    read: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Path -> (height, width) of what must be read."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Path -> a part of the reason."""


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return pixels[..., 0] if channels == 1 else pixels


def encoded(pixels: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    with io.BytesIO() as file:
        image.save(file, kind, **options)
        return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A tiny valid PNG file that claims to be `width` x `height`."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def png_sixteen(values: np.ndarray) -> bytes:
    """A PNG file of uint16 [H, W, 1 to 4], with rows filtered by none, left and up in turn."""
    height, width, channels = values.shape
    rows = np.frombuffer(values.astype(">u2").tobytes(), np.uint8).reshape(height, -1)
    step = 2 * channels
    left = rows - np.pad(rows, ((0, 0), (step, 0)))[:, : rows.shape[1]]
    up = rows - np.pad(rows, ((1, 0), (0, 0)))[:height]
    data = b"".join(bytes([y % 3]) + (rows, left, up)[y % 3][y].tobytes() for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 16, (0, 4, 2, 6)[channels - 1], 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part)) for name, part in parts
    )


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG file whose header is changed to claim `width` x `height`."""
    data = bytearray(encoded(noise(16, 16), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def build(root: Path) -> Hostile:
    made = Hostile(root)
    seeds = iter(range(1000))

    def good(path: str | bytes, data: bytes, size: tuple[int, int]) -> None:
        _write(root, path, data)
        made.read[os.fsencode(path).decode("utf-8", "backslashreplace")] = size

    def bad(path: str, data: bytes, reason: str) -> None:
        _write(root, path, data)
        made.skipped[path] = reason

    def some(height: int = 20, width: int = 30, channels: int = 3) -> np.ndarray:
        return noise(height, width, channels, next(seeds))

    turned = Image.Exif()
    turned[0x0112] = 6
    frames = [Image.fromarray(some()) for _ in range(3)]
    alpha = np.dstack([some(), some(channels=1)])
    palette = Image.fromarray(some()).quantize(16)
    photo = Image.fromarray(some(1500, 2000))

    good("colour.png", encoded(some(), "PNG"), (20, 30))
    good("grey.png", encoded(some(channels=1), "PNG"), (20, 30))
    good("one-bit.png", encoded(Image.fromarray(some(channels=1)).convert("1"), "PNG"), (20, 30))
    good("sixteen.png", encoded(Image.fromarray(some(channels=1).astype(np.uint16) * 257), "PNG"), (20, 30))
    good("cmyk.jpg", encoded(Image.fromarray(some()).convert("CMYK"), "JPEG"), (20, 30))
    good("grey.jpeg", encoded(some(channels=1), "JPEG"), (20, 30))
    good("progressive.JPG", encoded(some(), "JPEG", progressive=True), (20, 30))
    good("palette.png", encoded(palette, "PNG"), (20, 30))
    good("palette-clear.png", encoded(palette, "PNG", transparency=b"\x00\x80\xff"), (20, 30))
    good("palette.gif", encoded(palette, "GIF"), (20, 30))
    good("alpha.png", encoded(alpha, "PNG"), (20, 30))
    good("grey-alpha.png", encoded(Image.fromarray(some(channels=1)).convert("LA"), "PNG"), (20, 30))
    good("animated.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), (20, 30))
    good("animated.webp", encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]), (20, 30))
    good("plain.bmp", encoded(some(), "BMP"), (20, 30))
    good("plain.tiff", encoded(some(), "TIFF"), (20, 30))
    good("turned.jpg", encoded(some(20, 30), "JPEG", exif=turned), (30, 20))
    good("turned.png", encoded(some(20, 30), "PNG", exif=turned), (30, 20))
    good("broken-exif.jpg", encoded(some(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), (20, 30))
    good("png-named.jpg", encoded(some(), "PNG"), (20, 30))
    good("jpeg-named.png", encoded(some(), "JPEG"), (20, 30))
    good("jpeg-named.txt", encoded(some(), "JPEG"), (20, 30))
    good("no-extension", encoded(some(), "PNG"), (20, 30))
    good("one-pixel.png", encoded(some(1, 1), "PNG"), (1, 1))
    good("line.png", encoded(some(1, 3000), "PNG"), (1, 3000))
    good("huge.jpg", encoded(photo, "JPEG"), (1500, 2000))
    good("deep/er/and/deeper/still.png", encoded(some(), "PNG"), (20, 30))
    good("folder.png/inside.png", encoded(some(), "PNG"), (20, 30))
    good("with space, комма.png", encoded(some(), "PNG"), (20, 30))
    good(b"caf\xe9.png", encoded(some(), "PNG"), (20, 30))

    whole_jpeg, whole_png = encoded(some(200, 300), "JPEG"), encoded(some(200, 300), "PNG")
    flipped = bytearray(whole_png)
    flipped[len(flipped) // 2] ^= 0xFF
    bad("truncated.jpg", whole_jpeg[: len(whole_jpeg) // 2], "")
    bad("truncated.png", whole_png[: len(whole_png) // 2], "damaged")
    bad("header-only.jpg", whole_jpeg[:200], "")
    bad("flipped.png", bytes(flipped), "damaged")
    bad("empty.jpg", b"", "empty file")
    bad("empty.png", b"", "empty file")
    bad("text.png", b"this is not a picture", "not an image")
    bad("page.jpg", b"<!DOCTYPE html><html>404</html>", "not an image")
    bad("drawing.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image")
    bad("script.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image")
    bad("random.jpg", b"\xff\xd8\xff" + np.random.default_rng(5).bytes(5000), "")
    bad("zeros.bmp", bytes(1000), "not an image")
    bad("bomb.png", png_of(50_000, 50_000), "bomb")
    bad("bomb-wide.png", png_of(200_000, 600), "bomb")
    bad("bomb.jpg", jpeg_of(65_500, 65_500), "bomb")

    bad("phone.heic", b"\0\0\0\x18ftypheic" + bytes(100), "convert them to JPEG or PNG")
    bad("camera.NEF", encoded(some(), "TIFF"), "convert them to JPEG or PNG")

    (root / "sparse.jpg").write_bytes(b"")
    os.truncate(root / "sparse.jpg", 3 << 30)
    made.skipped["sparse.jpg"] = "bytes are more than"
    os.mkfifo(root / "pipe.png")
    made.skipped["pipe.png"] = "not a regular file"
    os.symlink("nowhere.png", root / "broken-link.png")
    made.skipped["broken-link.png"] = "cannot be read"
    os.symlink("circle.png", root / "circle.png")
    made.skipped["circle.png"] = "cannot be read"
    os.symlink(".", root / "loop")
    os.symlink("..", root / "deep" / "up")
    os.symlink("deep", root / "a-link-to-deep")

    for name in ("notes.txt", "Thumbs.db", "meta.json", ".DS_Store", "empty.csv"):
        _write(root, name, b"" if name == "empty.csv" else b"not a picture at all")
    _write(root, ".hidden.png", b"not read")
    _write(root, ".thumbnails/inside.png", encoded(some(), "PNG"))
    return made


def _write(root: Path, path: str | bytes, data: bytes) -> None:
    whole = os.path.join(os.fsencode(root), os.fsencode(path))
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    with open(whole, "wb") as file:
        file.write(data)
