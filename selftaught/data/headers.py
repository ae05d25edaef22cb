"""Shapes and types of the arrays in .npy and .npz files, read from their headers alone."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

Header = tuple[tuple[int, ...], "np.dtype[Any]"]


def headers(path: Path) -> dict[str, Header] | None:
    """Return shape and type of each array by name, "" for that of a .npy file; None if the file cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "a.npz", x=np.zeros((3, 5), np.float32))
    ...     headers(Path(folder) / "a.npz")
    {'x': ((3, 5), dtype('float32'))}
    """
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return {"": _header(file)}
        with zipfile.ZipFile(path) as archive:
            found = {}
            for name in archive.namelist():
                with archive.open(name) as member:
                    found[name.removesuffix(".npy")] = _header(member)
            return found
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError):  # the last two: an odd archive
        return None


def _header(file: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype
