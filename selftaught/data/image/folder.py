"""A folder of images, which may contain other files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, final

from numpy.typing import NDArray

from selftaught.data.folders import shown
from selftaught.data.image.decode import Unreadable, most_bytes
from selftaught.data.image.items import Items
from selftaught.data.image.listed import BESIDE
from selftaught.data.image.names import SUFFIXES
from selftaught.data.image.tar import SUFFIX as TAR
from selftaught.data.labels import Given
from selftaught.data.numpy_arrays import load
from selftaught.data.tables import SUFFIXES as TABLES
from selftaught.errors import UserError
from selftaught.source import Skipped

EXAMPLES = ".avif, .bmp, .dib, .gif"
OTHER_FORMS = TABLES | {TAR}
# Reported by name as skipped. A raw file contains a thumbnail that could be mistaken for the image.
OTHERS = frozenset(
    (".heic", ".heif", ".jxl", ".svg", ".psd", ".exr", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2")
)
ARRAYS = (".npy",)
"""Images only in folders without other images: beside those they are features, masks or labels."""
MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")


class File(NamedTuple):
    """One image file: its path below the root, and why it cannot be opened ("" = it can)."""

    path: str
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """What is in a folder, at any depth.

    Args:
        files: The images that can be opened, sorted by path.
        arrays: Files of arrays, sorted by path.
        skipped: What cannot be opened.
        tables: The paths of tables with images (Parquet, Arrow), sorted.
        shards: The paths of archives, sorted.
        beside: The paths of tables that may label images, sorted.
    """

    files: list[File]
    arrays: list[File]
    skipped: list[Skipped]
    tables: list[str]
    shards: list[str]
    beside: list[str]


def look(root: Path) -> Found:
    """Return what is in a folder, at any depth."""
    others: list[str] = []
    found = sorted(_walk(root, others), key=lambda file: os.fsencode(file.path))
    others.sort()
    good = [file for file in found if not file.reason]
    return Found(
        [file for file in good if not file.path.endswith(ARRAYS)],
        [file for file in good if file.path.endswith(ARRAYS)],
        [{"path": shown(file.path), "reason": file.reason} for file in found if file.reason],
        [path for path in others if _suffix(path) in TABLES],
        [path for path in others if _suffix(path) == TAR],
        [path for path in others if os.path.basename(path) in BESIDE],
    )


def of_folders(owners: Sequence[str | None]) -> Given:
    """Return the names of the folders that images are in as labels: classes, however few images they have."""
    names = [None if owner is None else shown(owner) for owner in owners]
    return Given(names, len(names), sorted({name for name in names if name is not None}))


@final
class FolderItems(Items):
    """Some images below `root`, in order, with their labels."""

    def __init__(self, root: Path, files: Sequence[File], given: Given, skipped: Sequence[Skipped] = ()) -> None:
        self._root = os.path.join(root, "")
        self.paths = True
        self._files = files
        self.where = shown(str(root))
        self.key = os.path.realpath(root)
        self.skipped = skipped
        self.given = given

    def __len__(self) -> int:
        return len(self._files)

    def name(self, position: int) -> str:
        """Return the path below the root."""
        return shown(self._files[position].path)

    def stamp(self, position: int) -> tuple[int, int]:
        """Return the size in bytes and the time of the last change in nanoseconds."""
        try:
            at = os.stat(self._root + self._files[position].path)
        except OSError:  # reading it says why
            return -1, -1
        return at.st_size, at.st_mtime_ns

    def read(self, position: int) -> bytes | NDArray[Any]:
        """Read the whole file, or map the array in it."""
        path = self._root + self._files[position].path
        if path.endswith(ARRAYS):
            return _array(Path(path))
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size == 0:
                raise Unreadable("empty file")
            if size > most_bytes():
                raise Unreadable(f"{size} bytes are more than {most_bytes()}")
            return stream.read(most_bytes())


def _array(path: Path) -> NDArray[Any]:
    try:
        return load(path)
    except UserError as error:
        raise Unreadable(str(error).removeprefix(f"{path}: ")) from None


def _suffix(name: str) -> str:
    """What `os.path.splitext` gives for a name that does not begin with a dot, in a third of the time."""
    _, dot, end = name.rpartition(".")
    return dot + end.lower() if dot else ""


def _walk(root: Path, others: list[str]) -> Iterator[File]:
    """Yield every image, each real folder once, and note the tables and archives.

    Folders come before links to them, so that images keep their paths.
    """
    seen: set[tuple[int, int]] = set()
    waiting, links = [""], list[str]()
    while waiting or links:
        below = waiting.pop() if waiting else links.pop(0)
        try:
            at = os.stat(os.path.join(root, below))
            if (at.st_dev, at.st_ino) in seen:
                continue
            seen.add((at.st_dev, at.st_ino))
            with os.scandir(os.path.join(root, below)) as entries:
                inside = sorted(entries, key=attrgetter("name"))  # so that of links the same one is followed each time
        except OSError as error:
            yield File(below or ".", reason=f"folder cannot be read: {error.strerror}")
            continue
        for entry in inside:
            if entry.name.startswith("."):
                continue
            path = f"{below}/{entry.name}" if below else entry.name
            if not _is_folder(entry):
                kind = _suffix(entry.name)
                if kind in OTHER_FORMS or entry.name in BESIDE:
                    others.append(path)
                elif (found := _look(path, kind, entry)) is not None:
                    yield found
            elif entry.is_symlink():
                links.append(path)
            else:
                waiting.append(path)
        links.sort(key=os.fsencode)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points to itself
        return False


def _look(path: str, kind: str, entry: os.DirEntry[str]) -> File | None:
    """The file, if it is an image. It is not opened, nor asked for its size, if its name says what it is."""
    if kind in OTHERS:
        return File(path, f"{kind} files are not supported: convert them to JPEG or PNG")
    named = kind in SUFFIXES
    try:
        if not entry.is_file():
            return File(path, _why_not(entry)) if named else None
    except OSError as error:
        return File(path, f"cannot be read: {error.strerror}") if named else None
    return File(path) if named or kind in ARRAYS or _is_picture(entry.path) else None


def _why_not(entry: os.DirEntry[str]) -> str:
    try:
        entry.stat()
    except OSError as error:  # a link that leads nowhere
        return f"cannot be read: {error.strerror}"
    return "not a regular file"


def _is_picture(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError:
        return False
    return start.startswith(MARKS) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP") or start[4:12] == b"ftypavif"
