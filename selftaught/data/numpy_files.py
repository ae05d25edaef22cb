"""Arrays in .npy and .npz files. Nothing is ever unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

IMAGES = ("images", "image", "x", "X", "data", "imgs", "pixels", "arr_0")
LABELS = ("labels", "label", "y", "Y", "targets", "target", "arr_1")
Part = tuple[NDArray[Any], NDArray[Any] | None]


def read_npy(path: Path) -> Part:
    """The memory-mapped array in `path`, and the labels beside it: ``NAME-labels.npy``, or images/x in the name -> labels/y.

    Raises UserError when the file is damaged or holds Python objects.
    """
    images = _load(path)
    assert isinstance(images, np.ndarray)
    beside = next((p for p in _label_files(path) if p.is_file()), None)
    return images, None if beside is None else _load(beside)


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


def read_npz(path: Path) -> dict[str, Part]:
    """``{"all": (images, labels)}``, or "train" and "test" when the names in the file say so (x_train, test_images, ...).

    Raises UserError when the file is damaged, holds Python objects, or no images can be told from its names and shapes.
    """
    archive = _load(path)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise UserError(f"{path}: not an .npz file: rename it to .npy")
    with archive:
        names = archive.files
        chosen = {side: _choose(names, side) for side in ("train", "test")}
        if not all(chosen.values()):
            chosen = {"all": _choose(names, "") or _by_shape(archive, path)}
        return {side: (_member(archive, path, found[0]), found[1] and _member(archive, path, found[1]))  # type: ignore[misc]
                for side, found in chosen.items() if found}


def _choose(names: list[str], side: str) -> tuple[str, str | None] | None:
    def named(kinds: tuple[str, ...]) -> str | None:
        wanted = [form for kind in kinds for form in ((f"{kind}_{side}", f"{side}_{kind}") if side else (kind,))]
        return next((name for name in wanted if name in names), None)

    images = named(IMAGES)
    return None if images is None else (images, named(LABELS))


def _by_shape(archive: np.lib.npyio.NpzFile, path: Path) -> tuple[str, str | None]:
    shapes = {name: _member(archive, path, name).shape for name in archive.files}
    images = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
    if len(images) != 1:
        raise UserError(f"{path}: which of its arrays ({', '.join(archive.files) or 'none'}) are images? name one 'images'")
    labels = [name for name, shape in shapes.items() if shape == shapes[images[0]][:1]]
    return images[0], labels[0] if len(labels) == 1 else None


def _load(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy's readers raise a dozen kinds on damaged files
        raise _damaged(path, error) from None


def _member(archive: np.lib.npyio.NpzFile, path: Path, name: str) -> NDArray[Any]:
    try:
        return np.asarray(archive[name])
    except Exception as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> UserError:
    if "pickle" in str(error).lower():
        return UserError(f"{path}: holds Python objects, which are never unpickled: save plain numbers with numpy.save or numpy.savez")
    if isinstance(error, MemoryError):
        return UserError(f"{path}: too large for the memory, or damaged")
    return UserError(f"{path}: damaged, or not a numpy file ({str(error).splitlines()[0][:200] if str(error) else type(error).__name__})")
