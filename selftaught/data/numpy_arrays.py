"""Arrays in .npy and .npz files, or their shapes and types alone. Nothing is ever unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

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


def load(path: Path) -> NDArray[Any]:
    """Return the array in a .npy file, memory-mapped. Raises UserError."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise damaged(path, error) from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise UserError(f"{path}: an .npz file with another file name extension: rename it to .npz")
    return array


def damaged(path: Path, error: Exception) -> UserError:
    """Return the error for a file that numpy refuses with `error`."""
    if "pickle" in str(error) or "Python objects" in str(error):
        return UserError(
            f"{path}: contains Python objects, which are not unpickled: save plain numbers with numpy.save or "
            "numpy.savez"
        )
    if isinstance(error, MemoryError):
        return UserError(f"{path}: too large for memory, or damaged")
    return UserError(
        f"{path}: damaged, or not a numpy file "
        f"({str(error).splitlines()[0][:200] if str(error) else type(error).__name__})"
    )
