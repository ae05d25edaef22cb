"""Names of folders and files: paths as text."""

from __future__ import annotations

import os

LOOKED_AT = 2000
"""Number of files of a folder that are inspected to find its kind."""


def shown(path: str) -> str:
    """Return `path` as printable text: bytes that are not UTF-8 are written as \\xNN."""
    if path.isascii():
        return path
    return os.fsencode(path).decode("utf-8", "backslashreplace")
