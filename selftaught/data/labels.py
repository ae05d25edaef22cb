"""Convert labels (integers, names, one-hot rows) to int64 and class names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

LARGEST = 1_000_000  # more classes than this means that an index or a hash was taken for a label


def as_labels(
    values: Any, n: int, where: str, classes: Sequence[str] = ()
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return (int64 [n] with -1 = unknown, class names).

    Integers are kept as they are. Names are numbered in sorted order, unless `classes` gives their order. Rows of a
    one-hot [n, K] array become their position. Raises UserError, with `where` in the message, if the count is wrong or
    values are not labels.
    """
    if values is None:
        return np.full(n, -1, dtype=np.int64), ()
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.dtype.kind in "buif" and array.shape[1] > 1 and _one_hot(array):
        array = array.argmax(axis=1)
    if array.shape != (n,):
        raise UserError(f"{where}: labels have shape {array.shape}, but there are {n} images: give one label per image")
    if array.dtype.kind in "US" or (array.dtype.kind == "O" and all(isinstance(v, str | None) for v in array)):
        return _named(["" if v is None else _text(v) for v in array.tolist()], where, classes)
    if array.dtype.kind == "f" and n and np.isfinite(array).all() and (array == np.rint(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub" and n:
        raise UserError(f"{where}: labels must be integers or names, not {array.dtype}")
    labels = array.astype(np.int64)
    low, high = (int(labels.min()), int(labels.max())) if n else (0, -1)
    if low < -1 or high > LARGEST:
        raise UserError(f"{where}: labels range from {low} to {high}, but must be in [-1, {LARGEST}] (-1 = unknown)")
    if classes and high >= len(classes):
        raise UserError(f"{where}: label {high} is out of range for the {len(classes)} named classes")
    return labels, tuple(classes) or tuple(str(i) for i in range(high + 1))


def union(parts: Sequence[Any]) -> tuple[str, ...]:
    """Return the sorted names in the labels of several parts, so that they are numbered alike; nothing for numbers."""
    names = [np.asarray(labels).reshape(-1).tolist() for labels in parts if labels is not None]
    found = {_text(name) for part in names for name in part if isinstance(name, str | bytes)}
    return tuple(sorted(found - {""}))


def _one_hot(array: NDArray[Any]) -> bool:
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _named(names: list[str], where: str, classes: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    classes = tuple(classes) or tuple(sorted(set(names) - {""}))
    position = {name: i for i, name in enumerate(classes)} | {"": -1}
    strange = next((name for name in names if name not in position), None)
    if strange is not None:
        raise UserError(f"{where}: label '{strange}' is not one of the classes {', '.join(classes)}")
    return np.array([position[name] for name in names], dtype=np.int64), classes
