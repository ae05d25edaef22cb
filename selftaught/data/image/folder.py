"""A folder of images, which may contain other files."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, final

from numpy.typing import NDArray

from selftaught.data.folders import LOOKED_AT, TEST, TRAIN, shown
from selftaught.data.image import listed
from selftaught.data.image.decode import Unreadable, most_bytes
from selftaught.data.image.items import Items
from selftaught.data.image.names import SUFFIXES, is_named
from selftaught.data.labels import as_labels
from selftaught.data.remarks import say
from selftaught.errors import UserError
from selftaught.source import Skipped

log = logging.getLogger("selftaught.data")
# Reported by name as skipped. A raw file contains a thumbnail that could be mistaken for the image.
OTHERS = frozenset(
    (".heic", ".heif", ".jxl", ".svg", ".psd", ".exr", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2")
)
ARRAYS = (".npy",)
"""Images only in folders without other images: beside those they are features, masks or labels."""
MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")


@dataclass(frozen=True, slots=True)
class File:
    """One image file: its path below the root, and why it cannot be opened ("" = it can)."""

    path: str
    size: int = 0
    time: int = 0
    reason: str = ""


@final
class FolderItems(Items):
    """The images below `root`, sorted by path.

    The labels are those of a table beside the images (see `listed.beside`), also one in the folder `above`; else the
    first-level folders, if all images are in such folders.
    """

    def __init__(self, root: Path, above: Path | None = None) -> None:
        self._root = root
        found = sorted(_of_one_form(_walk(root)), key=lambda file: os.fsencode(file.path))
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
        self._table = listed.beside(root, [file.path for file in self._files], above)
        if self._table is not None:
            self.skipped += self._table.skipped
            say(self._table.line)
        self.name_classes(self.class_names())

    def name_classes(self, names: Sequence[str]) -> None:
        """Label every image by the position of its first-level folder in `names`, or by -1 if there are no names."""
        owners: list[str | None] | None = [shown(file.path.split("/", 1)[0]) for file in self._files] if names else None
        if self._table is not None:
            owners = self._table.owners if names else None
        self.labels, self.classes = as_labels(owners, len(self._files), self.where, names)

    def class_names(self) -> tuple[str, ...]:
        """Return the sorted names of the first-level folders, if there are at least two and every image is in one.

        Otherwise returns nothing. If a table has the labels, returns those.
        """
        if self._table is not None:
            return tuple(listed.ordered(self._table.owners))
        if any("/" not in file.path for file in self._files):
            return ()
        names = sorted({shown(file.path.split("/", 1)[0]) for file in self._files})
        return tuple(names) if len(names) > 1 else ()

    def __len__(self) -> int:
        return len(self._files)

    def name(self, position: int) -> str:
        """Return the path below the root."""
        return shown(self._files[position].path)

    def stamp(self, position: int) -> tuple[int, int]:
        """Return the size in bytes and the time of the last change in nanoseconds."""
        return self._files[position].size, self._files[position].time

    def read(self, position: int) -> bytes | NDArray[Any]:
        """Read the whole file, or map the array in it."""
        file = self._files[position]
        if file.path.endswith(ARRAYS):
            return _array(Path(self._root, file.path))
        if file.size == 0:
            raise Unreadable("empty file")
        if file.size > most_bytes():
            raise Unreadable(f"{file.size} bytes are more than {most_bytes()}")
        with open(os.path.join(self._root, file.path), "rb") as stream:
            return stream.read(most_bytes())


def _array(path: Path) -> NDArray[Any]:
    from selftaught.data.image.numpy_files import load

    try:
        return load(path)
    except UserError as error:
        raise Unreadable(str(error).removeprefix(f"{path}: ")) from None


def _of_one_form(files: Iterable[File]) -> list[File]:
    """Return the encoded images; if there are none, the arrays."""
    found = list(files)
    return [file for file in found if not file.path.endswith(ARRAYS)] or found


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
                inside = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            yield File(below or ".", reason=f"folder cannot be read: {error.strerror}")
            continue
        for entry in inside:
            if entry.name.startswith("."):
                continue
            path = os.path.join(below, entry.name)
            if not _is_folder(entry):
                yield from _look(path, entry)
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


def _look(path: str, entry: os.DirEntry[str]) -> Iterator[File]:
    named = is_named(entry.name)
    kind = os.path.splitext(entry.name)[1].lower()
    if kind in OTHERS:
        yield File(path, reason=f"{kind} files are not supported: convert them to JPEG or PNG")
        return
    try:
        at = entry.stat()
    except OSError as error:
        if named:
            yield File(path, reason=f"cannot be read: {error.strerror}")
        return
    if not stat.S_ISREG(at.st_mode):
        if named:
            yield File(path, reason="not a regular file")
    elif named or kind in ARRAYS or _is_picture(entry.path):
        yield File(path, at.st_size, at.st_mtime_ns)


def has_named(root: Path) -> bool:
    """Return whether one of the first files of a folder has the name of an image."""
    files = islice((file for file in root.rglob("*") if file.is_file()), LOOKED_AT)
    return any(is_named(file.name) for file in files)


def _is_picture(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError:
        return False
    return start.startswith(MARKS) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP") or start[4:12] == b"ftypavif"
