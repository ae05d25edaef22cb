"""Names of folders and files: paths as text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

LOOKED_AT = 2000
"""Number of files of a folder that are inspected to find its kind."""


def shown(path: str) -> str:
    """Return `path` as printable text: bytes that are not UTF-8 are written as \\xNN."""
    if path.isascii():
        return path
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def files(root: Path, suffixes: Sequence[str]) -> list[str]:
    """Return the files with these endings below `root`, sorted, without hidden ones; "/" between names."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        wanted = [name for name in names if name.lower().endswith(tuple(suffixes)) and not name.startswith(".")]
        found += wanted if below == "." else [f"{below}/{name}" for name in wanted]
    return sorted(found)
