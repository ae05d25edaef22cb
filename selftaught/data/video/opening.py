"""Open videos of any supported form as frames."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from selftaught import errors
from selftaught.data import catalog, layout
from selftaught.data.folders import shown
from selftaught.data.labels import Given, decide
from selftaught.data.numpy_arrays import load
from selftaught.data.subset import Draw
from selftaught.data.told import BY_CONTENT, NO_CLASSES, division
from selftaught.data.video import arrays, cameras, decode, folder
from selftaught.data.video.clip import Clip
from selftaught.data.video.source import Frames, by_scene, side_of, some
from selftaught.data.video.video_set import VideoSet
from selftaught.errors import UserError
from selftaught.kind import Progress, Split, describe
from selftaught.source import Labels, Skipped, Source

BY_TIME = "the test part is the last fifth of each video"


class Opened(NamedTuple):
    """All videos of a data set, and which of them are in its parts: positions of "train" and "test", or of "all"."""

    clips: Sequence[Clip]
    labels: Labels
    classes: tuple[str, ...]
    parts: Mapping[str, Sequence[int]]
    called: Mapping[str, str]
    skipped: Sequence[Skipped] = ()
    aside: Mapping[str, int | None] = {}
    notes: Sequence[str] = ()


def open_videos(data: Any, want: Draw, labels: Any, how: folder.How, progress: Progress) -> Source:
    """Open videos as frames, see `Kind.open`. Raises UserError."""
    if want.side not in get_args(Split):
        raise errors.unknown("split", str(want.side), get_args(Split))
    if isinstance(data, Source):
        if not isinstance(data, Frames):
            return want.of(data)
        return some(data if want.side == "all" else side_of(data, want.side), want.limit, want.seed)
    found = _opened(data, labels, how, progress)
    whole = Frames(found.clips, found.labels, found.classes, skipped=found.skipped)
    notes = [*division(want.side, found.called, found.aside), *found.notes]
    if "all" not in found.parts and want.side != "all":
        chosen = whole.of_clips(found.parts[want.side])
    elif want.side == "all":
        chosen = whole
    else:
        chosen = side_of(whole, want.side)
        if not by_scene(whole):
            notes = [BY_TIME if note.startswith(BY_CONTENT) else note for note in notes]
    source = some(chosen, want.limit, want.seed)
    source.notes = tuple(dict.fromkeys((*notes, *_told(whole))))
    return source


def _told(frames: Frames) -> list[str]:
    """Return notes on the videos: how many, and from how many cameras."""
    scenes = len({clip.scene or clip.name for clip in frames.clips})
    views = max(clip.camera for clip in frames.clips) + 1
    said = f"{scenes:,} scenes from up to {views} cameras" if views > 1 else f"{len(frames.clips):,} videos"
    return [said if len(frames.clips) > 1 else "1 video"]


def _opened(data: Any, labels: Any, how: folder.How, progress: Progress) -> Opened:
    if isinstance(data, str | os.PathLike):
        if isinstance(data, str) and data in catalog.listed():
            if labels is not None:
                raise UserError(f"{data}: labels can be given only with arrays and lists of arrays")
            return _of_folder(_folder_of(data, progress), how, progress)
        return _of_path(os.fspath(data), labels, how, progress)
    if hasattr(data, "__array__"):
        clips, skipped = arrays.of_array(np.asanyarray(data), "array")
    elif isinstance(data, Sequence) and not isinstance(data, bytes):
        clips, skipped = arrays.of_list(data, "list of videos")
    else:
        raise UserError(
            f"data of type {type(data).__name__} cannot be read as videos: give a name, a path, an array or a list of "
            "arrays"
        )
    return _of_clips(clips, skipped, labels)


def _folder_of(name: str, progress: Progress) -> Path:
    found = catalog.get(name)
    if not isinstance(found, VideoSet):
        raise UserError(
            f"{name}: these are {describe(found.ENTRY.kind).samples}, not videos: 'selftaught data' lists sets of them"
        )
    return found.folder(progress)


def _of_path(name: str, labels: Any, how: folder.How, progress: Progress) -> Opened:
    path, is_folder = catalog.located(name)
    if not is_folder and path.suffix.lower() == ".npy":
        return _of_clips(*arrays.of_array(load(path), str(path)), labels)
    if labels is not None:
        raise UserError(f"{name}: labels can be given only with arrays and lists of arrays")
    if is_folder:
        return _of_folder(path, how, progress)
    if path.suffix.lower() in decode.SUFFIXES:
        return _of_units([folder.Unit(path.stem, path)], shown(str(path)), "", how, progress)
    known = ", ".join(sorted(decode.SUFFIXES))
    raise UserError(f"{path}: not a supported video: give {known}, .npy, or a folder of these or of frames")


def _of_clips(clips: Sequence[Clip], skipped: Sequence[Skipped], labels: Any) -> Opened:
    if labels is not None and len(labels) != len(clips) + len(skipped):
        count = len(clips) + len(skipped)
        raise UserError(f"{len(labels)} labels for {count} videos: give one label a video")
    left = {int(one["path"].rpartition(" ")[2]) for one in skipped}
    values = None if labels is None else [one for i, one in enumerate(labels) if i not in left]
    decided = decide([Given(values, len(clips))], ids=True)
    if decided.why:
        raise UserError(f"the labels: {decided.why}{decided.fix}")
    return Opened(clips, decided.labels[0], decided.classes, {"all": range(len(clips))}, {"all": ""}, skipped)


def _of_folder(path: Path, how: folder.How, progress: Progress) -> Opened:
    units = folder.look(path)
    if not units:
        raise UserError(
            f"{shown(str(path))}: no video in this folder or below it ({', '.join(sorted(decode.SUFFIXES))}), and no "
            "folder of frames (pictures of one name with numbers, such as frame_0001.png)"
        )
    return _of_units(units, shown(str(path)), path.resolve().name, how, progress)


def _of_units(units: Sequence[folder.Unit], where: str, root: str, how: folder.How, progress: Progress) -> Opened:
    """Return the videos with what the names of folders say: parts, classes, scenes and cameras."""
    read, skipped = folder.clips(units, how, progress)
    called = [cameras.scene_of(unit.path) for unit in units]
    good = [row for row, clip in enumerate(read) if clip is not None]
    placed, apart = cameras.together([clip for clip in read if clip is not None], [called[row] for row in good])
    skipped += apart
    named = layout.arrange([scene for scene, _ in called], root)
    of_row = {row: clip for row, clip in zip(good, placed, strict=True) if clip is not None}
    used = [row for part in named.parts.values() for row in part if row in of_row]
    if not used:
        if len(units) == 1 and skipped:
            raise UserError(f"{where}: {skipped[0]['reason']}")
        why = f"{skipped[0]['path']}: {skipped[0]['reason']}" if skipped else "all are left aside"
        raise UserError(f"{where}: no video in it can be used ({why})")
    position = {row: i for i, row in enumerate(used)}
    parts = {part: [position[row] for row in rows if row in position] for part, rows in named.parts.items()}
    empty = next((part for part, rows in parts.items() if not rows), None)
    if empty is not None:
        raise UserError(f"{where}: no video of the part {named.called[empty] or empty} can be used")
    owners = [named.owners[row] for row in used]
    classes = sorted({one for one in owners if one is not None})
    decided = decide([Given(owners if classes else None, len(used), classes)])
    labels = decided.labels[0] if len(decided.classes) > 1 else np.full(len(used), -1, np.int64)
    notes = [NO_CLASSES + named.why] if named.why and len(used) > 1 else []
    return Opened(
        [of_row[row] for row in used], labels, decided.classes if len(decided.classes) > 1 else (), parts, named.called,
        skipped, dict(named.aside), notes,
    )  # fmt: skip
