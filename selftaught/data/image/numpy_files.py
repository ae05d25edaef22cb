"""Arrays in .npy and .npz files. Nothing is ever unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.layout import SIDES, Side, chosen, divided
from selftaught.data.numpy_arrays import damaged, load
from selftaught.data.told import Sides
from selftaught.errors import UserError

IMAGES = ("images", "image", "x", "X", "data", "imgs", "pixels", "arr_0")
LABELS = ("labels", "label", "y", "Y", "targets", "target", "arr_1")
Part = tuple[NDArray[Any], NDArray[Any] | None]
Names = tuple[str, str | None]


def read_npy(path: Path) -> Part:
    """Return the memory-mapped array in `path`, and the labels next to it.

    The labels are in ``NAME-labels.npy``, or in the file with images/x in its name replaced by labels/y.

    Raises UserError if the file is damaged or contains Python objects.
    """
    images = load(path)
    beside = next((p for p in _label_files(path) if p.is_file()), None)
    return images, None if beside is None else load(beside)


def _label_files(path: Path) -> list[Path]:
    stem = path.stem
    names = [f"{stem}-labels", f"{stem}_labels"]
    for images, labels in (("images", "labels"), ("image", "label"), ("x", "y"), ("X", "Y"), ("X", "y")):
        parts = stem.replace("-", "_").split("_")
        if images in parts:
            place = parts.index(images)
            start = len("_".join(parts[:place])) + (place > 0)
            names.append(stem[:start] + labels + stem[start + len(images) :])
    return [path.with_name(name + ".npy") for name in names]


def read_npz(path: Path) -> Sides[Part]:
    """Return the parts "train" and "test" by the array names (x_train, test_images, ...), or "all".

    Raises UserError if the file is damaged, contains Python objects, or has no array that can be identified as the
    images.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except Exception as error:  # numpy raises many types of error on damaged files
        raise damaged(path, error) from None
    return parts_by_name(arrays, str(path))


def parts_by_name(arrays: dict[str, NDArray[Any]], where: str) -> Sides[Part]:
    """Return the images and labels among named arrays, see `read_npz`. Raises UserError."""
    named: dict[Side, Names] = {}
    for word, side in SIDES.items():
        if side not in named and (found := _choose(arrays, word)):
            named[side] = found
    if not divided(named):
        found = _choose(arrays, "") or next(iter(named.values()), None) or _by_shape(arrays, where)
        return Sides({"all": _part(arrays, found)})
    sides = chosen(named, lambda names: names[1] is not None)
    used = {part: named[side] for part, side in sides.items()}
    rest = [names[0] for names in named.values() if names not in used.values()]
    return Sides(
        {part: _part(arrays, names) for part, names in used.items()},
        {part: names[0] for part, names in used.items()},
        {name: len(arrays[name]) for name in rest},
    )


def _part(arrays: dict[str, NDArray[Any]], names: Names) -> Part:
    return arrays[names[0]], arrays[names[1]] if names[1] else None


def _choose(arrays: dict[str, NDArray[Any]], side: str) -> Names | None:
    def named(kinds: tuple[str, ...]) -> str | None:
        wanted = [form for kind in kinds for form in ((f"{kind}_{side}", f"{side}_{kind}") if side else (kind,))]
        return next((name for name in wanted if name in arrays), None)

    images = named(IMAGES)
    return None if images is None else (images, named(LABELS))


def _by_shape(arrays: dict[str, NDArray[Any]], where: str) -> Names:
    images = [name for name, array in arrays.items() if array.ndim in (3, 4)]
    if len(images) != 1:
        raise UserError(
            f"{where}: cannot tell which of the arrays ({', '.join(arrays) or 'none'}) has the images: name it 'images'"
        )
    labels = [name for name, array in arrays.items() if array.shape == arrays[images[0]].shape[:1]]
    return images[0], labels[0] if len(labels) == 1 else None
