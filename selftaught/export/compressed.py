"""Files that are compressed or not: recognised by their first bytes when read, by their ending when written."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from selftaught.errors import UserError
from selftaught.run import sync_folder

WRITERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": partial(gzip.GzipFile, "", "wb", 1, mtime=0),
    ".bz2": partial(bz2.BZ2File, mode="wb", compresslevel=1),
    ".xz": partial(lzma.LZMAFile, mode="wb", preset=1),
}
"""What compresses a file with each ending, fast rather than small: digits of random numbers hardly compress."""
READERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": partial(gzip.GzipFile, None, "rb", 9),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
"""What opens a file with these first bytes."""
BZ2_BLOCK = (b"1AY&SY", b"\x17rE8P\x90")
"""What follows "BZh" and a digit: the word "BZh1" alone is a word."""
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], int | None]]:
    """Open a file for reading, with its size in bytes, or with None if it is compressed.

    Raises UserError if it cannot be read or is damaged, now or while it is read.
    """
    try:
        with path.open("rb") as raw:
            head = raw.read(10)
            raw.seek(0)
            unpack = next((reader for magic, reader in READERS.items() if head.startswith(magic)), None)
            if unpack is None or (head.startswith(b"BZh") and not head[4:].startswith(BZ2_BLOCK)):
                yield raw, os.fstat(raw.fileno()).st_size
                return
            with unpack(raw) as stream:
                yield cast(IO[bytes], stream), None
    except DAMAGED as error:
        raise UserError(f"{path} is a damaged compressed file: download or write it again") from error
    except OSError as error:
        if error.errno is None:  # bz2 says only that the data are invalid
            raise UserError(f"{path} is a damaged compressed file: download or write it again") from error
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` once it is complete and on the disk.

    Raises UserError if it cannot be written; `path` then keeps its previous content.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as raw:
            if path.suffix in WRITERS:
                with WRITERS[path.suffix](raw) as packed:
                    yield cast(IO[bytes], packed)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(temporary, path)
        sync_folder(path.absolute().parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; the previous file is intact") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
