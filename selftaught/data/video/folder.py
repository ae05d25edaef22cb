"""Folders of video files and of folders of numbered frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from selftaught.data.folders import shown
from selftaught.data.video import decode, pictures
from selftaught.data.video.clip import Clip, Unreadable
from selftaught.data.video.kept import kept
from selftaught.kind import Progress
from selftaught.source import Skipped, digest_of


@final
@dataclass(frozen=True)
class How:
    """How videos are decoded: the shorter side that is kept, and frames a second (None = all)."""

    side: int
    rate: float | None


@final
@dataclass(frozen=True)
class Unit:
    """A video as it was found: a file, or a folder with the names of its frames in order.

    Args:
        path: Its path below the root, "/" between names, without the ending of a file's name.
        place: The file or the folder.
        frames: The names of the frames in the folder.
    """

    path: str
    place: Path
    frames: tuple[str, ...] = ()


def look(root: Path) -> list[Unit]:
    """Return the videos below a folder, sorted by path. Hidden files and folders are left out."""
    found = list[Unit]()
    shots: dict[str, list[str]] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in names:
            stem, suffix = os.path.splitext(name)
            if name.startswith("."):
                continue
            if suffix.lower() in decode.SUFFIXES:
                path = stem if below == "." else f"{below}/{stem}"
                found.append(Unit(path, Path(folder) / name))
            elif pictures.is_picture(name):
                shots.setdefault(below, []).append(name)
    for below, frames in pictures.folders(shots).items():
        place = root if below == "." else root / below
        found.append(Unit(place.name if below == "." else below, place, tuple(frames)))
    return sorted(found, key=lambda unit: (os.fsencode(unit.path), os.fsencode(str(unit.place))))


def clips(units: Sequence[Unit], how: How, progress: Progress) -> tuple[list[Clip | None], list[Skipped]]:
    """Return the clip of each unit, None if it cannot be read, and the reasons."""
    found, skipped = list[Clip | None](), list[Skipped]()
    for done, unit in enumerate(units):
        try:
            found.append(clip(unit, how))
        except Unreadable as reason:
            found.append(None)
            skipped.append({"path": shown(_called(unit)), "reason": str(reason)})
        progress(done + 1, len(units))
    return found, skipped


def clip(unit: Unit, how: How) -> Clip:
    """Return one video: decoded once, then from the cache. Raises Unreadable."""
    if unit.frames:
        key = digest_of(str(how.side), *(f"{name} {_stamp(unit.place / name)}" for name in unit.frames))
        one = kept(
            f"{os.path.realpath(unit.place)} {key}",
            lambda: pictures.frames(unit.place, unit.frames, how.side),
            lambda: 0.0,
        )
    else:
        key = digest_of(str(how.side), str(how.rate), _stamp(unit.place))

        def rate() -> float:
            stated = decode.rate_of(unit.place)
            return min(stated, how.rate) if how.rate and stated else how.rate or stated

        one = kept(f"{os.path.realpath(unit.place)} {key}", lambda: decode.frames(unit.place, how.side, how.rate), rate)
    return Clip(shown(_called(unit)), one.frames, one.digest, one.rate)


def _called(unit: Unit) -> str:
    return unit.path if unit.frames else unit.path + unit.place.suffix


def _stamp(path: Path) -> str:
    try:
        at = path.stat()
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    return f"{at.st_size} {at.st_mtime_ns}"
