"""The user's cache folder, and files in it that are either whole or absent."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, final

from selftaught.errors import UserError

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
STALE = 3600.0  # seconds after which a temporary file that nobody writes belongs to a process that was killed


@final
class Unwritable(UserError):
    """The cache has no room, or may not be written. What only wants to be quicker goes on without it."""


def folder() -> Path:
    """``$SELFTAUGHT_CACHE``, else ``$XDG_CACHE_HOME/selftaught``, else ``~/.cache/selftaught``. Not created here."""
    own = os.environ.get("SELFTAUGHT_CACHE")
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared and os.path.isabs(shared) else Path.home() / ".cache") / "selftaught"


def make(path: Path) -> Path:
    """Creates the folder `path`; raises Unwritable when that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(
            f"{path}: cannot be created ({error.strerror}): set SELFTAUGHT_CACHE to a folder you can write"
        ) from None
    return path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the name `path` only when all of it is on disk; an error inside leaves no trace.

    Two processes that write the same `path` at once each finish their own; the last one's stays. Raises Unwritable when
    there is no room or no permission.
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
    """Hexadecimal SHA-256 of a file; raises OSError when it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def holds(path: Path, digest: str) -> bool:
    """Whether `path` is there and its SHA-256 is `digest`."""
    try:
        return sha256(path) == digest
    except OSError:
        return False
