"""A public text data set in the cache, built once from its published source and checked by SHA-256.

A set without labels is a folder with one UTF-8 .txt file per document and one line per paragraph. A set with labels is
one JSON Lines file of ``{"text": ..., "label": ...}``. The digest is computed over the finished files, so it verifies
that the right version was downloaded, that it was read correctly, and that the cache is not damaged.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib.resources import files as resources
from pathlib import Path
from typing import ClassVar, Literal, final

from selftaught.data import cache, remote
from selftaught.data.entry import Entry
from selftaught.kind import Progress, silent
from selftaught.parts.tokens import Tokens

Files = dict[str, bytes]
"""Finished files by name."""
ADDRESSES = ("https://deb.debian.org/debian/", "https://snapshot.debian.org/archive/debian/20230701T000000Z/")
"""Debian's own servers: the current packages, and a snapshot of July 2023."""
LETTER = re.compile(r"[^\W\d_]")


@final
class TextSet:
    """One text data set of the catalog.

    Args:
        entry: Its description in the catalog; of the kind "text".
        sha256: `digest` of the finished files.
        ways: Functions that get the files, in order. Each returns them, or raises `remote.Unavailable`, and then the
            next one is tried.
        instead: What a user can do if all have failed.
        tokens: How the text should be split, see `parts/tokens`.
    """

    def __init__(
        self, entry: Entry, sha256: str, ways: Sequence[Callable[[], Files]], instead: str, tokens: Tokens = "words"
    ) -> None:
        self.ENTRY = entry  # as in the modules of images
        self.options = {"tokens": tokens}
        self.sha256, self.ways, self.instead = sha256, ways, instead

    parts: ClassVar[tuple[Literal["all"]]] = ("all",)

    def place(self) -> Path:
        """Return the folder of the files. It changes with the content."""
        return cache.folder() / "texts" / f"{self.ENTRY.name}-{self.sha256[:8]}"

    def cached(self) -> bool:
        """Return whether nothing has to be downloaded (contents are checked when the files are opened)."""
        return self.place().is_dir()

    def files(self, progress: Progress = silent) -> Path:
        """Return the folder of .txt files, or the .jsonl file. Downloads it if it is missing or damaged.

        Raises UserError if it cannot be downloaded.
        """
        if digest(_read(self.place())) != self.sha256:
            self._build(progress)
        lines = list(self.place().glob("*.jsonl"))
        return lines[0] if lines else self.place()

    def _build(self, progress: Progress) -> None:
        tried = []
        for done, way in enumerate(self.ways):
            progress(done, len(self.ways))
            try:
                files = way()
                if (found := digest(files)) != self.sha256:
                    raise remote.Unavailable(f"the downloaded file is not the expected version (SHA-256 {found})")
                _write(self.place(), files)
            except remote.Unavailable as reason:
                tried.append(str(reason))
            else:
                return progress(len(self.ways), len(self.ways))
        raise remote.nowhere(self.ENTRY.name, tried, self.instead)


def known(name: str) -> tuple[str, str]:
    """Return the row of texts.csv of a set: its size in words, and the SHA-256 of its files."""
    rows = csv.DictReader((resources("selftaught.data.sets") / "texts.csv").read_text(encoding="utf-8").splitlines())
    row = next(row for row in rows if row["name"] == name)
    words = int(row["words"])
    return (
        f"{int(row['documents']):,} documents, {f'{words / 1e6:.1f} million' if words >= 1e6 else f'{words:,}'} words",
        row["sha256"],
    )


def debian(package: str, file: str, sha256: str, build: Callable[[Path], Files]) -> list[Callable[[], Files]]:
    """Return the ways to get a set from a Debian package.

    The first is the package from apt, then that of the exact version from Debian's servers.

    Args:
        package: The name of the package.
        file: The path of the .deb below ``pool/main/``.
        sha256: SHA-256 of the .deb.
        build: Makes the finished files from the folder of unpacked ones.
    """

    def built(opened: AbstractContextManager[Path]) -> Files:
        with opened as root:
            try:
                return build(root)
            except FileNotFoundError as error:
                raise remote.Unavailable(f"{package} has no {Path(error.filename).name}") from None

    places = [f"{address}pool/main/{file}" for address in ADDRESSES]
    return [
        lambda: built(remote.debian(package)),
        *(partial(lambda place: built(remote.deb(place, sha256)), place) for place in places),
    ]


def texts(documents: Mapping[str, Iterable[str]]) -> Files:
    """Return one .txt file per document (name -> paragraphs).

    Paragraphs without a letter, and repetitions of earlier ones in the order of the documents, are removed. Documents
    without paragraphs get no file.
    """
    seen: set[str] = set()
    files = {}
    for name, paragraphs in documents.items():
        kept = []
        for paragraph in paragraphs:
            if paragraph not in seen and LETTER.search(paragraph):
                seen.add(paragraph)
                kept.append(paragraph + "\n")
        if kept:
            files[f"{name}.txt"] = "".join(kept).encode()
    return files


def records(name: str, rows: Iterable[Mapping[str, str]]) -> Files:
    """Return one JSON Lines file, called `name`, of `rows` with the fields "text" and "label".

    Rows that belong together also have a "group".
    """
    return {f"{name}.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()}


def digest(files: Files) -> str:
    """Return the SHA-256 of files: of their names in order, each followed by its length and content."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\n{len(files[name])}\n".encode())
        whole.update(files[name])
    return whole.hexdigest()


def _read(folder: Path) -> Files:
    """Read the files of a folder; none if it is missing or cannot be read."""
    try:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except OSError:
        return {}


def _write(folder: Path, files: Files) -> None:
    """Replace `folder` by `files` in one step. Raises Unwritable."""
    parent = cache.make(folder.parent)
    _sweep(folder)
    temporary = parent / f"{folder.name}.{os.getpid()}-{os.urandom(4).hex()}.partial"
    try:
        temporary.mkdir()
        for name, data in files.items():
            (temporary / name).write_bytes(data)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(temporary, folder)
    except OSError as error:
        if error.errno in cache.UNWRITABLE:
            fix = "free some space, or set SELFTAUGHT_CACHE to another folder"
            raise cache.Unwritable(f"{folder}: cannot be written ({error.strerror}): {fix}") from None
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process wrote the same files first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sweep(folder: Path) -> None:
    for left in folder.parent.glob(f"{folder.name}.*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > cache.STALE:
                shutil.rmtree(left, ignore_errors=True)
