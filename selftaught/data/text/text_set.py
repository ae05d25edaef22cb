"""A public set of texts in the cache: built once from where it is published, and known by the SHA-256 of what came out.

A set without labels is a folder: one UTF-8 .txt file a document, one line a paragraph. A set with labels is one JSON
Lines file of ``{"text": ..., "label": ...}``. The digest is over the finished files, so it answers every question at
once: was the right version fetched, was it read as it should be, and is what lies in the cache still whole?
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
"""Debian's own: what is current, and what all of it was in July 2023."""
LETTER = re.compile(r"[^\W\d_]")


@final
class TextSet:
    """One text set of the catalog.

    Args:
        entry: What the catalog tells about it; of the kind "text".
        sha256: `digest` of the finished files.
        ways: How to get them, in order. Each returns them, or raises `remote.Unavailable`, and then the next is tried.
        instead: What a user can do when all have failed.
        tokens: How it is meant to be split, see `parts/tokens`.
    """

    def __init__(
        self, entry: Entry, sha256: str, ways: Sequence[Callable[[], Files]], instead: str, tokens: Tokens = "words"
    ) -> None:
        self.ENTRY = entry  # as in the modules of images
        self.options = {"tokens": tokens}
        self.sha256, self.ways, self.instead = sha256, ways, instead

    parts: ClassVar[tuple[Literal["all"]]] = ("all",)

    def place(self) -> Path:
        """Where the files are kept. Another content is another place."""
        return cache.folder() / "texts" / f"{self.ENTRY.name}-{self.sha256[:8]}"

    def cached(self) -> bool:
        """Whether nothing has to be fetched (contents are checked when the files are opened)."""
        return self.place().is_dir()

    def files(self, progress: Progress = silent) -> Path:
        """The folder of .txt files, or the .jsonl file. Fetched first if it must be, or if the cache is damaged.

        Raises UserError when it can be fetched from nowhere.
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
    """What texts.csv says of a set: its size in words, and the SHA-256 of its files."""
    rows = csv.DictReader((resources("selftaught.data.sets") / "texts.csv").read_text(encoding="utf-8").splitlines())
    row = next(row for row in rows if row["name"] == name)
    words = int(row["words"])
    return (
        f"{int(row['documents']):,} documents, {f'{words / 1e6:.1f} million' if words >= 1e6 else f'{words:,}'} words",
        row["sha256"],
    )


def debian(package: str, file: str, sha256: str, build: Callable[[Path], Files]) -> list[Callable[[], Files]]:
    """The ways to a set that is inside a Debian package.

    Apt's version of it, then the one that is meant, from Debian's addresses.

    Args:
        package: Its name.
        file: Where the .deb lies below ``pool/main/``.
        sha256: Of the .deb.
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
    """A .txt file for each document (name -> paragraphs).

    A paragraph without a letter, or that has been seen before, is left out.

    "Before" is in the order of the documents given. Documents of which nothing is left get no file.
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
    """One JSON Lines file, called `name`, of `rows` with the fields "text", "label", and "group" where samples belong together."""
    return {f"{name}.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()}


def digest(files: Files) -> str:
    """The SHA-256 of files: of their names in order, each followed by its length and content."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\n{len(files[name])}\n".encode())
        whole.update(files[name])
    return whole.hexdigest()


def _read(folder: Path) -> Files:
    """The files of a folder; none when it is not there or cannot be read."""
    try:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except OSError:
        return {}


def _write(folder: Path, files: Files) -> None:
    """Makes `folder` of `files` in one step; what stood there before is removed. Raises Unwritable."""
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
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process was quicker, with the same files
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sweep(folder: Path) -> None:
    for left in folder.parent.glob(f"{folder.name}.*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > cache.STALE:
                shutil.rmtree(left, ignore_errors=True)
