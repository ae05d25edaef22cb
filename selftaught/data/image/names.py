"""Names that image files have."""

from __future__ import annotations

import os

SUFFIXES = frozenset(
    (
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".webp",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".j2k",
        ".avif",
        ".tga",
        ".ico",
    )
)


def is_named(name: str) -> bool:
    """Return whether a file has the name of an image."""
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")
