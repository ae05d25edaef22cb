"""Images and labels of Python: ``(x, y)``, ``((x, y), (x, y))`` or ``{"train": (x, y), "test": (x, y)}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from selftaught.data.image.numpy_files import parts_by_name
from selftaught.data.labels import Given
from selftaught.data.layout import named, side, side_of_file
from selftaught.data.told import Sides
from selftaught.errors import UserError

Pair = tuple[Any, Any]
"""Images, and their labels or None."""


def is_images(value: Any) -> bool:
    """Return whether a value is an array of images, or a list of them, judging by its first element."""
    if hasattr(value, "__array__"):
        return np.ndim(value) in (3, 4)
    first = value[0] if isinstance(value, list | tuple) and len(value) else None
    return isinstance(first, bytes) or type(first).__module__.startswith("PIL.") or _depth(first) in (2, 3)


def is_pair(value: Any) -> bool:
    """Return whether a value is a tuple of images and as many labels."""
    if not isinstance(value, tuple) or len(value) != 2 or not is_images(value[0]):
        return False
    images, labels = value
    if not hasattr(labels, "__len__") or isinstance(labels, str | bytes) or len(labels) != len(images):
        return False
    depth = np.ndim(labels) if hasattr(labels, "__array__") else 1 + _depth(labels[0] if len(labels) else None)
    one_hot = depth == 2 and (_depth(images) == 4 or np.shape(labels)[1:] == (1,))
    return depth == 1 or one_hot


def are_parts(data: Any) -> bool:
    """Return whether `data` is of a form that `parts_of` takes."""
    if isinstance(data, Mapping):
        return len(data) > 0 and all(isinstance(name, str) for name in data)
    two = isinstance(data, tuple) and len(data) == 2
    return is_pair(data) or (two and all(map(is_pair, data)))


def parts_of(data: Any) -> Sides[Pair]:
    """Return the parts "train" and "test", or "all".

    A mapping may also have arrays under the names that .npz files have: x_train, y_train, images, labels, ... Raises
    UserError if the names of a mapping are not of parts.
    """
    if is_pair(data):
        return Sides({"all": data})
    if not isinstance(data, Mapping):
        return Sides({"train": data[0], "test": data[1]}, {"train": "", "test": ""})
    sides = [side(name) for name in data]
    if any(sides) and all(one or not side_of_file(name) for one, name in zip(sides, data, strict=True)):
        return _named({name: _pair(value) for name, value in data.items()})
    if [name.lower() for name in data] == ["all"]:
        return Sides({"all": _pair(next(iter(data.values())))})
    arrays = {name: np.asarray(value) for name, value in data.items() if _is_column(value)}
    if len(arrays) < len(data):
        raise _unnamed(data)
    return parts_by_name(arrays, "dict")


def _named(pairs: Mapping[str, Pair]) -> Sides[Pair]:
    parts, left = named(list(pairs), lambda names: Given(pairs[names[0]][1], 0).known)
    if any(len(names) != 1 for names in parts.values()):
        raise _unnamed(pairs)
    return Sides(
        {part: pairs[name] for part, [name] in parts.items()},
        {part: name for part, [name] in parts.items()},
        {name: len(pairs[name][0]) for name in left if hasattr(pairs[name][0], "__len__")},
    )


def _unnamed(data: Mapping[str, Any]) -> UserError:
    return UserError(
        f"a dict with the keys {', '.join(data)} cannot be read as images: name its parts train and test, each images "
        "or a tuple of images and labels"
    )


def _pair(part: Any) -> Pair:
    return part if is_pair(part) else (part, None)


def _is_column(value: Any) -> bool:
    """Return whether a value is an array, or a list of numbers or names."""
    first = value[0] if isinstance(value, list | tuple) and len(value) else None
    return hasattr(value, "__array__") or isinstance(first, int | float | str)


def _depth(value: Any) -> int:
    """Return the number of axes of an array, and 0 for everything else."""
    return np.ndim(value) if hasattr(value, "__array__") else 0
