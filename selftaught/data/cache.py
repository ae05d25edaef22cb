"""The cache folder of the user, whose files are either complete or absent."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, final

from selftaught.errors import UserError, expanded

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
STALE = 3600.0  # seconds without a write after which a temporary file is considered left over from a killed process


@final
class Unwritable(UserError):
    """The cache cannot be written. Code that uses it only for speed continues without it."""


def folder() -> Path:
    """Return ``$SELFTAUGHT_CACHE``, else ``$XDG_CACHE_HOME/selftaught``, else ``~/.cache/selftaught``. Not created.

    Where there is no home folder, or nothing can be written there, it is a folder of this user in the system's folder
    for temporary files, and a warning says so once.
    """
    own = os.environ.get("SELFTAUGHT_CACHE")
    return expanded(own) if own else _usual(os.environ.get("XDG_CACHE_HOME"), os.environ.get("HOME"))


@functools.cache
def _usual(shared: str | None, home: str | None) -> Path:
    try:
        usual = (Path(shared) if shared and os.path.isabs(shared) else Path.home() / ".cache") / "selftaught"
        reason = f"{usual} cannot be written"
    except RuntimeError:  # HOME is not set, and the user has no entry in the system's list
        usual, reason = None, "this user has no home folder"
    if usual is not None and os.access(next(p for p in (usual, *usual.parents) if p.exists()), os.W_OK):
        return usual
    place = Path(tempfile.gettempdir()) / f"selftaught-{os.getuid()}"
    with contextlib.suppress(OSError):
        place.mkdir(mode=0o700, exist_ok=True)
    if not place.is_dir() or place.stat().st_uid != os.getuid():  # somebody else's, who could put data there
        place = Path(tempfile.mkdtemp(prefix="selftaught-"))
    warnings.warn(
        f"{reason}: data are kept in {place}, which may not last; set SELFTAUGHT_CACHE to a folder you can write",
        stacklevel=3,
    )
    return place


def make(path: Path) -> Path:
    """Create the folder `path`. Raises Unwritable if that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(
            f"{path}: cannot be created ({error.strerror}): set SELFTAUGHT_CACHE to a folder you can write"
        ) from None
    return path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that is renamed to `path` once it is completely on disk. An error inside leaves no trace.

    If two processes write the same `path` at once, each finishes its own file and the last one is kept. Raises
    Unwritable if there is no space or no permission.
    """
    make(path.parent)
    _sweep(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.partial")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            fix = "free some space, or set SELFTAUGHT_CACHE to another folder"
            raise Unwritable(f"{path}: cannot be written ({error.strerror}): {fix}") from None
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(path: Path) -> None:
    for left in path.parent.glob(f"{path.name}.*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE:
                left.unlink()


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def holds(path: Path, digest: str) -> bool:
    """Return whether `path` exists and its SHA-256 is `digest`."""
    try:
        return sha256(path) == digest
    except OSError:
        return False
