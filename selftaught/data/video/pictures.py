"""Folders of numbered pictures, each the frames of one video."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from selftaught.data.video.clip import Pixels, Unreadable, check_size, fitted

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff"))
NUMBER = re.compile(r"(.*?)(\d+)\Z", re.DOTALL)


def is_picture(name: str) -> bool:
    """Return whether a file has the name of a picture."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def numbered(names: Sequence[str]) -> list[str]:
    """Return the pictures of a folder in the order of their numbers; none unless all are numbered and called alike.

    >>> numbered(["f_10.png", "f_9.png"]), numbered(["cat.png", "dog.png"])
    (['f_9.png', 'f_10.png'], [])
    """
    found: list[tuple[int, str]] = []
    called = set()
    for name in names:
        match = NUMBER.match(os.path.splitext(name)[0])
        if match is None:
            return []
        called.add(match[1])
        found.append((int(match[2]), name))
    alike = len(called) == 1 and len({number for number, _ in found}) == len(found)
    return [name for _, name in sorted(found)] if alike else []


def folders(pictures: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the folders, of {folder: pictures in it}, that are videos, each with its frames in order."""
    found = {folder: numbered(names) for folder, names in pictures.items()}
    return {folder: names for folder, names in found.items() if len(names) > 1}


def frames(folder: Path, names: Sequence[str], side: int) -> Iterator[Pixels]:
    """Yield the frames, uint8 [H, W, 3], the shorter side at most `side`. Raises Unreadable."""
    from PIL import Image

    first, size = (0, 0), (0, 0)
    for name in names:
        try:
            with Image.open(folder / name) as opened:
                picture = opened.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise Unreadable(f"its frame {name} cannot be decoded ({str(error).splitlines()[0][:120]})") from None
        shape = (picture.height, picture.width)
        if first == (0, 0):
            first, size = shape, fitted(*shape, side)
        check_size(first, shape, name)
        if size != shape:
            picture = picture.resize((size[1], size[0]), Image.Resampling.BOX)
        yield np.asarray(picture, np.uint8)
