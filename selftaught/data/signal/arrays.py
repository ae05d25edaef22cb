"""Series in arrays: which axis has the channels, and which of several arrays are series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from selftaught.data.labels import Given, as_labels
from selftaught.data.layout import SIDES, Side, chosen, divided
from selftaught.data.numpy_arrays import damaged, headers, load
from selftaught.data.signal.part import Part
from selftaught.data.told import Sides
from selftaught.errors import UserError

Axis = Literal["auto", "first", "last"]
Pair = tuple[Any, Any]
"""Series, and their labels or None."""
SERIES = ("series", "signals", "signal", "x", "X", "data", "samples", "arr_0")
LABELS = ("labels", "label", "y", "Y", "targets", "target", "arr_1")
NUMBERS = "biuf"
LONGER = 4
"""An array of three axes is of series, not of pictures, if one of the last two is so many times the other."""


def looks_like_series(shape: Sequence[int], kind: str) -> bool:
    """Return whether an array of this shape and kind of type can only be series: [N, T], or [N, C, T] far from square.

    Bytes are pictures.
    """
    if kind not in "iuf" or 0 in shape:
        return False
    if len(shape) == 2:
        return True
    return len(shape) == 3 and max(shape[1:]) >= LONGER * min(shape[1:])


def of_pairs(pairs: Mapping[str, Pair], where: str, axis: Axis) -> dict[str, Part]:
    """Return the parts of a data set from their series and labels. The first part decides the axis of the channels.

    Series are an array [N, T] or [N, C, T], or a sequence of [T] or [C, T]. Raises UserError for anything else.
    """
    found: dict[str, Part] = {}
    for part, (series, labels) in pairs.items():
        plain = _numbers(series, where)
        if labels is not None:
            as_labels(labels, len(plain), where)  # of other series: raises
        decided = axis if not found or axis != "auto" else next(iter(found.values())).reading.get("channel_axis", axis)
        found[part] = _part(plain, Given(labels, len(plain)), where, decided)
    return found


def _numbers(series: Any, where: str) -> NDArray[Any] | list[NDArray[Any]]:
    """Return an array [N, T] or [N, A, B], or arrays [T] or [A, B]. Raises UserError."""
    whole = series if hasattr(series, "__array__") else None
    if whole is None:
        rows = [np.asarray(one) for one in series]
        if len({one.shape for one in rows}) > 1 or not rows or rows[0].ndim == 0:
            wrong = next((one for one in rows if one.ndim not in (1, 2) or one.dtype.kind not in NUMBERS), None)
            if wrong is not None or not rows:
                raise UserError(f"{where}: {_not(wrong)}: give a series as numbers [T] or [C, T]")
            return rows
        whole = np.stack(rows)
    array = np.asanyarray(whole)
    if array.dtype.kind not in NUMBERS or array.ndim not in (2, 3):
        raise UserError(f"{where}: {_not(array)}: give series as numbers [N, T] or [N, C, T]")
    if 0 in array.shape:
        raise UserError(f"{where}: an array of shape {array.shape} holds no series")
    return array


def _not(array: NDArray[Any] | None) -> str:
    if array is None:
        return "there are no series in it"
    if array.dtype.kind not in NUMBERS:
        return f"values of type {array.dtype} are not series"
    return f"an array of {array.ndim} axes is not series"


def _part(series: NDArray[Any] | list[NDArray[Any]], given: Given, where: str, axis: Axis) -> Part:
    if isinstance(series, np.ndarray) and series.ndim == 2:
        return Part(series[:, None], given, where)
    if isinstance(series, list) and all(one.ndim == 1 for one in series):
        return Part([one[None] for one in series], given, where)
    if isinstance(series, list):
        series = [one[None] if one.ndim == 1 else one for one in series]
    shapes = [series.shape[1:]] if isinstance(series, np.ndarray) else [one.shape for one in series]
    last = axis == "last" or (axis == "auto" and sum(a > b for a, b in shapes) > len(shapes) / 2)
    reading = {"channel_axis": "last" if last else "first"} if axis == "auto" else {}
    notes = ("the last axis was taken for the channels",) if last and axis == "auto" else ()
    if last and isinstance(series, np.ndarray):
        series = series.transpose(0, 2, 1)
    elif last:
        series = [one.T for one in series]
    return Part(series, given, where, options=frozenset(("channel_axis",)), reading=reading, notes=notes)


def of_npz(path: Path, axis: Axis) -> Sides[Part]:
    """Return the parts of an .npz file by the names of its arrays (x_train, y_test), or "all". Raises UserError."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except Exception as error:  # numpy raises many types of error on damaged files
        raise damaged(path, error) from None
    return of_named(arrays, str(path), axis)


def of_named(arrays: Mapping[str, Any], where: str, axis: Axis) -> Sides[Part]:
    """Return the parts among named arrays. Raises UserError if it is not clear which are series."""
    named: dict[Side, tuple[str, str | None]] = {}
    for word, side in SIDES.items():
        if side not in named and (pair := _choose(arrays, word)):
            named[side] = pair
    if not divided(named):
        only = _choose(arrays, "") or next(iter(named.values()), None) or _by_shape(arrays, where)
        return Sides(of_pairs({"all": _pair(arrays, only)}, where, axis))
    sides = chosen(named, lambda names: names[1] is not None)
    used = {part: named[side] for part, side in sides.items()}
    rest = [names[0] for names in named.values() if names not in used.values()]
    return Sides(
        of_pairs({part: _pair(arrays, names) for part, names in used.items()}, where, axis),
        {part: names[0] for part, names in used.items()},
        {name: len(arrays[name]) for name in rest},
    )


def _pair(arrays: Mapping[str, Any], names: tuple[str, str | None]) -> Pair:
    return arrays[names[0]], arrays[names[1]] if names[1] else None


def _choose(arrays: Mapping[str, Any], side: str) -> tuple[str, str | None] | None:
    def named(kinds: Sequence[str]) -> str | None:
        wanted = [form for kind in kinds for form in ((f"{kind}_{side}", f"{side}_{kind}") if side else (kind,))]
        return next((name for name in wanted if name in arrays), None)

    series = named(SERIES)
    return None if series is None else (series, named(LABELS))


def _by_shape(arrays: Mapping[str, Any], where: str) -> tuple[str, str | None]:
    series = [name for name, array in arrays.items() if np.ndim(array) in (2, 3)]
    if len(series) != 1:
        raise UserError(
            f"{where}: cannot tell which of the arrays ({', '.join(arrays) or 'none'}) has the series: name it 'series'"
        )
    labels = [name for name, array in arrays.items() if np.shape(array) == np.shape(arrays[series[0]])[:1]]
    return series[0], labels[0] if len(labels) == 1 else None


def of_npy(path: Path, axis: Axis) -> Part:
    """Return the array of a .npy file, which stays in it, with the labels beside it: NAME-labels.npy."""
    beside = [path.with_name(f"{path.stem}{mark}labels.npy") for mark in "-_"]
    labels = next((np.asarray(load(one)) for one in beside if one.is_file()), None)
    return of_pairs({"all": (load(path), labels)}, str(path), axis)["all"]


def file_holds_series(path: Path) -> bool:
    """Return whether a .npy or .npz file has an array that can only be series, by its shape and type."""
    found = headers(path) or {}
    return any(dtype != np.uint8 and looks_like_series(shape, dtype.kind) for shape, dtype in found.values())
