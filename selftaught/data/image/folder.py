"""A folder of images, which may contain other files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, final

from selftaught.data.folders import TEST, TRAIN, shown
from selftaught.data.groups import Names
from selftaught.data.image.decode import MOST_BYTES, Unreadable
from selftaught.data.image.items import Items
from selftaught.data.labels import as_labels
from selftaught.errors import UserError
from selftaught.source import Skipped

log = logging.getLogger("selftaught.data")
SUFFIXES = frozenset(
    (
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".webp",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".j2k",
        ".avif",
        ".tga",
        ".ico",
    )
)
# Reported by name as skipped. A raw file contains a thumbnail that could be mistaken for the image.
OTHERS = frozenset(
    (".heic", ".heif", ".jxl", ".svg", ".psd", ".exr", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2")
)
MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")


class File(NamedTuple):
    """One image file: its path below the root, and why it cannot be opened ("" = it can)."""

    path: str
    reason: str = ""


@final
class FolderItems(Items):
    """The images below `root`, sorted by path.

    The labels are the first-level folders, if all images are in such folders.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.path.join(root, "")
        found = sorted(_walk(root), key=lambda file: os.fsencode(file.path))
        self._files = [file for file in found if not file.reason]
        self.where = shown(str(root))
        self.key = os.path.realpath(root)
        self.skipped: list[Skipped] = [
            {"path": shown(file.path), "reason": file.reason} for file in found if file.reason
        ]
        if not found:
            raise UserError(
                f"{self.where}: no image in this folder or its subfolders ({', '.join(sorted(SUFFIXES)[:4])}, ...)"
            )
        self.name_classes(self.class_names())

    def name_classes(self, names: Sequence[str]) -> None:
        """Label every image by the position of its first-level folder in `names`, or by -1 if there are no names."""
        owners = [_owner(file.path) for file in self._files] if names else None
        self.labels, self.classes = as_labels(owners, len(self._files), self.where, names)

    def class_names(self) -> tuple[str, ...]:
        """Return the sorted names of the first-level folders, if there are at least two and every image is in one.

        Otherwise returns nothing.
        """
        if any("/" not in file.path for file in self._files):
            return ()
        names = sorted({_owner(file.path) for file in self._files})
        return tuple(names) if len(names) > 1 else ()

    def __len__(self) -> int:
        return len(self._files)

    def name(self, position: int) -> str:
        """Return the path below the root."""
        return shown(self._files[position].path)

    @property
    def names(self) -> Names:
        """The paths below the root."""
        return lambda: [shown(file.path) for file in self._files]

    def stamp(self, position: int) -> tuple[int, int]:
        """Return the size in bytes and the time of the last change in nanoseconds."""
        try:
            at = os.stat(self._root + self._files[position].path)
        except OSError:  # reading it says why
            return -1, -1
        return at.st_size, at.st_mtime_ns

    def read(self, position: int) -> bytes:
        """Read the whole file."""
        with open(self._root + self._files[position].path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size == 0:
                raise Unreadable("empty file")
            if size > MOST_BYTES:
                raise Unreadable(f"{size} bytes are more than {MOST_BYTES}")
            return stream.read(MOST_BYTES)


def _owner(path: str) -> str:
    """The first-level folder of a path below the root."""
    return shown(path.partition("/")[0])


def sides(root: Path) -> dict[str, Path]:
    """Return ``{"train": ..., "test": ...}`` if `root` contains only folders with such names.

    Otherwise returns an empty mapping.
    """
    inside, loose = set[str](), False
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if _is_folder(entry) and not entry.name.startswith("."):
                    inside.add(entry.name)
                loose = loose or (not _is_folder(entry) and is_named(entry.name))
    except OSError:
        return {}
    train = [name for name in TRAIN if name in inside]
    test = [name for name in TEST if name in inside]
    if loose or not train or not test or inside - {*TRAIN, *TEST}:
        return {}
    left = sorted(inside - {train[0], test[0]})
    if left:
        log.warning("%s: %s is not used, because %s is the test part", root, " and ".join(left), test[0])
    return {"train": root / train[0], "test": root / test[0]}


def _walk(root: Path) -> Iterator[File]:
    """Yield every image, each real folder once. Folders come before links to them, so that images keep their paths."""
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
                found = _look(path, entry)
                if found is not None:
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


def _look(path: str, entry: os.DirEntry[str]) -> File | None:
    """The file, if it is an image. It is not opened, nor asked for its size, if its name says what it is."""
    kind = os.path.splitext(entry.name)[1].lower()
    if kind in OTHERS:
        return File(path, f"{kind} files are not supported: convert them to JPEG or PNG")
    named = kind in SUFFIXES
    try:
        if not entry.is_file():
            return File(path, _why_not(entry)) if named else None
    except OSError as error:
        return File(path, f"cannot be read: {error.strerror}") if named else None
    return File(path) if named or _is_picture(entry.path) else None


def _why_not(entry: os.DirEntry[str]) -> str:
    try:
        entry.stat()
    except OSError as error:  # a link that leads nowhere
        return f"cannot be read: {error.strerror}"
    return "not a regular file"


def is_named(name: str) -> bool:
    """Return whether a file has the name of an image."""
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")


def _is_picture(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError:
        return False
    return start.startswith(MARKS) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP") or start[4:12] == b"ftypavif"
