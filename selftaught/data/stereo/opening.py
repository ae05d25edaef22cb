"""Open pairs of pictures of any supported form as a source."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final, get_args

import numpy as np
from numpy.typing import NDArray

from selftaught import errors
from selftaught.data import catalog, layout
from selftaught.data.folders import shown
from selftaught.data.groups import numbered, values
from selftaught.data.image.decode import Unreadable
from selftaught.data.joined import wanted
from selftaught.data.numpy_arrays import damaged
from selftaught.data.stereo import pairs, pictures, truth
from selftaught.data.stereo.source import Pair, Pairs
from selftaught.data.stereo.stereo_set import StereoSet
from selftaught.data.subset import Draw
from selftaught.data.told import Sides
from selftaught.data.workers import spread
from selftaught.errors import UserError
from selftaught.kind import Progress, Split, describe
from selftaught.source import Index, Skipped, Source

LEAST = 8
"""Pixels of a side below which a picture has no place for a disparity."""
ARRAYS = ("left", "right", "disparity")


@final
@dataclass(frozen=True)
class How:
    """The options of the kind, see `Stereo`, and what `Kind.open` is given."""

    scale: float | None
    groups: Any
    progress: Progress
    asked: bool = True
    """Whether the options are a user's, who is told of one without an effect, and not those of a run."""


class Looked(NamedTuple):
    """What is found of one pair: height, width and channels, why its files cannot be used, and why its disparity."""

    shape: tuple[int, int, int]
    why: str = ""
    lost: str = ""


def open_stereo(data: Any, want: Draw, how: How) -> Source:
    """Open pairs as a source, see `Kind.open`. Raises UserError."""
    if want.side not in get_args(Split):
        raise errors.unknown("split", str(want.side), get_args(Split))
    if isinstance(data, Source):
        if how.groups is not None:
            raise UserError("a Source has its own groups: remove groups, or return them from its property 'groups'")
        return want.of(data)
    found = _sides(data, how)
    source = wanted(found.parts, want)
    source.notes = tuple(dict.fromkeys((*found.told(want.side), *source.notes)))
    return source


def _sides(data: Any, how: How) -> Sides[Source]:
    if isinstance(data, str) and data in catalog.listed():
        found = catalog.get(data)
        if not isinstance(found, StereoSet):
            raise UserError(f"{data}: these are {describe(found.ENTRY.kind).samples}, not pairs of pictures")
        _idle(how, False, data)
        return Sides({"train": found.load("train"), "test": found.load("test")}, {"train": "", "test": ""})
    if isinstance(data, str | os.PathLike):
        return _of_path(os.fspath(data), how)
    if isinstance(data, Mapping):
        _idle(how, False, "dict")
        return Sides({"all": of_arrays(data, "dict", how.groups)})
    raise UserError(
        f"data of type {type(data).__name__} cannot be read as pairs of pictures: give a name, a folder, or a dict of "
        "the arrays left, right and, if known, disparity"
    )


def _of_path(name: str, how: How) -> Sides[Source]:
    path, is_folder = catalog.located(name)
    if is_folder:
        return _of_folder(path, how)
    if path.suffix.lower() == ".npz":
        _idle(how, False, str(path))
        try:
            with np.load(path, allow_pickle=False) as arrays:
                given = {key: arrays[key] for key in ARRAYS if key in arrays.files}
        except Exception as error:
            raise damaged(path, error) from None
        return Sides({"all": of_arrays(given, str(path), how.groups)})
    raise UserError(f"{path}: not a file of pairs: give a folder, or an .npz file with the arrays left and right")


def _of_folder(root: Path, how: How) -> Sides[Source]:
    found = pairs.find(root)
    where = shown(str(root))
    if not found.pairs:
        first = f" ({found.skipped[0]['path']}: {found.skipped[0]['reason']})" if found.skipped else ""
        raise UserError(
            f"{where}: no pairs of pictures in this folder or below it{first}: put them into the folders left and "
            "right, with the same names, or as KITTI or Middlebury do"
        )
    _idle(how, any(pair.disparity.lower().endswith(".png") for pair in found.pairs), where)
    looked = list[Looked]()
    for one in spread(lambda i: _look(root, found.pairs[i], how.scale), range(len(found.pairs))):
        looked.append(one)
        how.progress(len(looked), len(found.pairs))
    skipped = list(found.skipped)
    for pair, one in zip(found.pairs, looked, strict=True):
        if one.why:
            skipped.append({"path": shown(pair.left), "reason": one.why})
        elif one.lost:
            skipped.append({"path": shown(pair.disparity), "reason": f"{one.lost} (the pair is used without it)"})
    good = np.array([i for i, one in enumerate(looked) if not one.why], np.int64)
    if not len(good):
        raise UserError(f"{where}: no pair in it can be used ({skipped[0]['path']}: {skipped[0]['reason']})")
    has = {i for i in good.tolist() if found.pairs[i].disparity and not looked[i].lost}
    files = [found.pairs[i] for i in good.tolist()]
    named = layout.arrange([pair.scene for pair in files], root.resolve().name, {
        row for row, i in enumerate(good.tolist()) if i in has
    })  # fmt: skip
    channels = max(looked[i].shape[2] for i in good.tolist())
    parts: dict[str, Source] = {
        part: _read_from(root, [files[row] for row in rows], [looked[good[row]] for row in rows], channels, bool(has),
                         how, skipped)
        for part, rows in named.parts.items()
    }  # fmt: skip
    return Sides(parts, named.called, {**named.aside, **found.aside})


def _look(root: Path, pair: pairs.Files, scale: float | None) -> Looked:
    shapes = []
    for name in (pair.left, pair.right):
        try:
            shapes.append(pictures.picture(root / name).shape)
        except Unreadable as error:
            return Looked((0, 0, 0), str(error) if name == pair.left else f"{shown(name)}: {error}")
    left, right = shapes
    if left[:2] != right[:2]:
        return Looked((0, 0, 0), f"{left[1]}x{left[0]} pixels, but its right picture has {right[1]}x{right[0]}")
    if min(left[:2]) < LEAST:
        return Looked((0, 0, 0), f"{left[1]}x{left[0]} pixels: a side needs at least {LEAST}")
    shape = (left[0], left[1], max(left[2], right[2]))
    if pair.disparity:
        try:
            known = pictures.disparity(root / pair.disparity, scale)
        except Unreadable as error:
            return Looked(shape, lost=str(error))
        if known.shape != shape[:2]:
            return Looked(shape, lost=f"{known.shape[1]}x{known.shape[0]} numbers for {shape[1]}x{shape[0]} pixels")
    return Looked(shape)


def _read_from(
    root: Path,
    files: Sequence[pairs.Files],
    looked: Sequence[Looked],
    channels: int,
    known: bool,
    how: How,
    skipped: Sequence[Skipped],
) -> Pairs:
    offsets = [pairs.offset(root, pair) if pair.disparity else float("nan") for pair in files]

    def read(i: int) -> Pair:
        pair = files[i]
        try:
            left, right = (pictures.coloured(pictures.picture(root / x), channels) for x in (pair.left, pair.right))
            there = pair.disparity and not looked[i].lost
            disparity = pictures.disparity(root / pair.disparity, how.scale) if there else None
        except Unreadable as error:  # it was whole when the folder was opened
            raise UserError(f"{root / pair.left}: the pair changed after it was opened: {error}") from None
        return Pair(left, right, disparity, offsets[i])

    names = [shown(pair.left) for pair in files]
    sizes = np.array([one.shape[:2] for one in looked], np.int64)
    return Pairs(
        read, sizes, channels, known, groups=_groups(how.groups, names, str(root)), names=names, skipped=skipped
    )


def _groups(by: Any, names: Sequence[str], where: str) -> Index | None:
    """Return groups as they are asked for; by default the folders, if there are several with several pairs.

    Such folders are recordings, whose frames look alike.
    """
    if by is not None:
        found = values(by, len(names), where, lambda: list(names))
        return None if found is None else numbered(found)
    folders = [os.path.dirname(name) for name in names]
    return numbered(folders) if 1 < len(set(folders)) < len(folders) else None


def _idle(how: How, png: bool, where: str) -> None:
    """Raises UserError for a scale that nothing has."""
    if how.asked and how.scale is not None and not png:
        raise UserError(f"disparity_scale has no effect: {where} has no PNG files of disparities: remove it")


def of_arrays(data: Mapping[str, Any], where: str, groups: Any = None) -> Pairs:
    """Return pairs in memory. Raises UserError.

    Args:
        data: "left" and "right", uint8 [N, H, W] or [N, H, W, C] or as many pictures in a list, and "disparity",
            numbers [N, H, W], if it is known.
        where: Names them in messages.
        groups: See `data.groups`.
    """
    if not {"left", "right"} <= data.keys() or not data.keys() <= set(ARRAYS):
        there = ", ".join(map(str, data)) or "nothing"
        raise UserError(f"{where}: pairs need the arrays left and right, and may have disparity, but it has {there}")
    lefts, rights = (_pictures(data[eye], eye, where) for eye in ARRAYS[:2])
    if len(lefts) != len(rights) or not lefts:
        raise UserError(
            f"{where}: {len(lefts)} left and {len(rights)} right pictures: give the same number, at least 1"
        )
    known: list[NDArray[np.float32]] | None = None
    if "disparity" in data:
        try:
            known = [truth.known(one) for one in data["disparity"]]
        except Unreadable as error:
            raise UserError(f"{where}: disparity: {error}") from None
        if len(known) != len(lefts):
            raise UserError(f"{where}: {len(known)} disparities for {len(lefts)} pairs: give one for each")
    channels = max(one.shape[2] for one in (*lefts, *rights))
    good, skipped = list[int](), list[Skipped]()
    for i, (left, right) in enumerate(zip(lefts, rights, strict=True)):
        if left.shape[:2] != right.shape[:2]:
            shape = " and ".join(f"{one.shape[1]}x{one.shape[0]}" for one in (left, right))
            skipped.append({"path": f"pair {i}", "reason": f"its pictures have {shape} pixels"})
        elif min(left.shape[:2]) < LEAST:
            skipped.append({"path": f"pair {i}", "reason": f"a side has fewer than {LEAST} pixels"})
        elif known is not None and known[i].shape != left.shape[:2]:
            raise UserError(f"{where}: the disparity of pair {i} has {known[i].shape}, its pictures {left.shape[:2]}")
        else:
            good.append(i)
    if not good:
        raise UserError(f"{where}: no pair in it can be used ({skipped[0]['path']}: {skipped[0]['reason']})")

    def read(row: int) -> Pair:
        i = good[row]
        left, right = (pictures.coloured(one[i], channels) for one in (lefts, rights))
        return Pair(left, right, None if known is None else known[i])

    sizes = np.array([lefts[i].shape[:2] for i in good], np.int64)
    by = None if groups is None else values(groups, len(lefts), where, lambda: [str(i) for i in range(len(lefts))])
    chosen = None if by is None else numbered([by[i] for i in good])
    names = [str(i) for i in good]
    return Pairs(read, sizes, channels, known is not None, groups=chosen, names=names, skipped=skipped)


def _pictures(data: Any, eye: str, where: str) -> list[NDArray[np.uint8]]:
    found = [np.asarray(one) for one in data]
    for i, one in enumerate(found):
        if one.dtype != np.uint8 or one.ndim not in (2, 3) or (one.ndim == 3 and one.shape[2] not in (1, 3)):
            raise UserError(
                f"{where}: {eye} picture {i} has the shape {one.shape} and the type {one.dtype}: give uint8 pixels, "
                "height x width, with 1 or 3 channels"
            )
    return [one if one.ndim == 3 else one[:, :, None] for one in found]
