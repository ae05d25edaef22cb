"""Open images of any supported form as a source."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

from selftaught import errors
from selftaught.data import catalog
from selftaught.data.image import idx
from selftaught.data.image.arrays import from_array
from selftaught.data.image.image_set import ImageSet
from selftaught.data.image.source import ImageSource
from selftaught.data.joined import Joined
from selftaught.data.subset import Draw, draw
from selftaught.errors import UserError
from selftaught.kind import Progress, Split, describe, silent
from selftaught.source import Source

Open = Callable[[Draw | None], Source]
"""Opens one part. The argument is what is needed of it, as a hint: an `ImageSource` that is just that is `drawn`."""
Sides = dict[str, Open]
"""Either "train" and "test", or "all"."""


def open_images(
    data: Any,
    split: Split = "train",
    limit: int | None = None,
    *,
    seed: int = 0,
    labels: Any = None,
    groups: Any = None,
    size: int | None = None,
    progress: Progress = silent,
) -> Source:
    """Open images as a source.

    Args:
        data: The name of a data set in the catalog, a path (folder of images, IDX, .npy, .npz, .parquet), a Hugging
            Face data set, an array [N, H, W] or [N, H, W, C], any sequence of arrays or images, or a source (returned
            unchanged). To open a folder with the name of a data set, write ``./digits``.
        split: "train", "test" or "all". Data without a test part are split by content, 80/20.
        limit: Use only N samples, drawn from all classes alike, see `data.subset.drawn`.
        seed: Draws them.
        labels: Labels of an array or of a sequence: integers or names, one per sample.
        groups: Which images stay on one side of a split, see `data.groups`: a column of Parquet or Hugging Face data, a
            file, a regular expression for the paths in a folder, or one group per image.
        size: Decode images only once, to central squares of 1.15 times this many pixels, kept in the cache. Arrays and
            the data sets of the catalog stay unchanged.
        progress: Called as (done, total) while many files are read.

    Raises:
        UserError: If `data` cannot be read; one sentence says what is wrong and how to fix it.
    """
    if split not in get_args(Split):
        raise errors.unknown("split", str(split), get_args(Split))
    if size is not None and size < 1:
        raise UserError(f"size must be at least 1, not {size}")
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    found = _sides(data, labels, groups, size, progress)
    whole = Draw(limit, seed)
    if "all" not in found:
        if split == "all":
            return _of_both([found["train"], found["test"]], whole)
        return _drawn(found[split], whole)
    return _drawn(found["all"], Draw(limit, seed, split))


def _of_both(parts: list[Open], want: Draw) -> Source:
    found = [part(want) for part in parts]
    sizes = [source.of if isinstance(source, ImageSource) and source.of else len(source) for source in found]
    total = sum(sizes)
    if want.limit is not None and want.limit < total:  # each part gives its share
        first = min(max(1, round(want.limit * sizes[0] / total)), max(1, want.limit - 1))
        limits = (first, want.limit - first)
        found = [draw(source, limit, want.seed) for source, limit in zip(found, limits, strict=True) if limit]
    return _joined(found)


def _drawn(part: Open, want: Draw) -> Source:
    source = part(want)
    return source if isinstance(source, ImageSource) and source.drawn == want else want.of(source)


def _joined(parts: list[Source]) -> Source:
    channels = {part.traits["channels"] for part in parts}
    if len(channels) != 1:
        raise UserError(f"parts with {' and '.join(map(str, sorted(channels)))} channels cannot be joined")
    return Joined(parts, ("train", "test")[: len(parts)])


def _sides(data: Any, labels: Any, groups: Any, size: int | None, progress: Progress) -> Sides:
    if isinstance(data, Source):
        if groups is not None:
            raise UserError("a Source has its own groups: remove groups, or return them from its property 'groups'")
        return {"all": lambda _: data}
    if isinstance(data, str | os.PathLike):
        if labels is not None:
            raise UserError(f"{data}: labels can be given only with arrays and sequences")
        return _of_name(os.fspath(data), groups, size, progress)
    return _of_object(data, labels, groups, size, progress)


def _of_name(name: str, groups: Any, size: int | None, progress: Progress) -> Sides:
    if name in catalog.listed():
        found = catalog.get(name)
        if not isinstance(found, ImageSet):
            raise UserError(
                f"{name}: these are {describe(found.ENTRY.kind).samples}, not images: 'selftaught data' lists sets "
                "of images"
            )
        if groups is not None:
            raise UserError(f"{name}: a data set of the catalog has its own groups, or needs none: remove --groups")
        return {"train": lambda _: found.load("train", progress), "test": lambda _: found.load("test", progress)}
    try:
        path = Path(name).expanduser()
        is_folder, is_file, exists = path.is_dir(), path.is_file(), path.exists()
    except (OSError, RuntimeError) as error:  # no permission, a name that is too long, or an unknown user
        raise UserError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if is_folder:
        return _of_folder(path, groups, size, progress)
    if is_file:
        return _of_file(path, groups, size, progress)
    if exists:
        raise UserError(f"{path}: neither a file nor a folder")
    if os.sep in name or path.suffix:
        raise UserError(
            f"{path}: there is no such file or folder (known data sets are: {', '.join(sorted(catalog.listed()))})"
        )
    raise errors.unknown("data", name, catalog.listed())


def _of_folder(path: Path, groups: Any, size: int | None, progress: Progress) -> Sides:
    from selftaught.data.image import folder, parquet
    from selftaught.data.image.decoded import build

    own = folder.sides(path)
    if own:
        parts = {side: folder.FolderItems(place) for side, place in own.items()}
        names = [part.class_names() for part in parts.values()]
        classes = tuple(sorted({*names[0], *names[1]})) if all(names) else ()
        for part in parts.values():
            part.name_classes(classes)
        return {side: partial(build, part, size=size, progress=progress, groups=groups) for side, part in parts.items()}
    tables = parquet.sides(path)
    if tables:
        return _of_parquet(tables, groups, size, progress)
    found = _of_idx_folder(path, groups)
    return found or {"all": partial(build, folder.FolderItems(path), size=size, progress=progress, groups=groups)}


def _of_idx_folder(path: Path, groups: Any) -> Sides:
    files = [file for file in sorted(path.glob("*images*")) if idx.is_idx(file) and file.is_file()]
    train = [file for file in files if "train" in file.name]
    test = [file for file in files if "t10k" in file.name or "test" in file.name]
    if train and test:
        return {"train": lambda _: _idx(train[0], groups), "test": lambda _: _idx(test[0], groups)}
    return {"all": lambda _: _idx(files[0], groups)} if len(files) == 1 else {}


def _of_file(path: Path, groups: Any, size: int | None, progress: Progress) -> Sides:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        from selftaught.data.image.numpy_files import read_npy

        return {"all": partial(_part, read_npy(path), str(path), groups)}
    if suffix == ".npz":
        from selftaught.data.image.numpy_files import read_npz

        parts = read_npz(path)
        return {side: partial(_part, part, str(path), groups) for side, part in parts.items()}
    if suffix in (".parquet", ".pq"):
        return _of_parquet({"all": [path]}, groups, size, progress)
    if idx.is_idx(path):
        return {"all": lambda _: _idx(path, groups)}
    raise UserError(f"{path}: not a supported file of images: give a folder of images, or IDX, .npy, .npz or .parquet")


def _part(part: tuple[Any, Any], where: str, groups: Any, want: Draw | None) -> Source:
    return from_array(part[0], part[1], where=where, groups=groups)


def _idx(path: Path, groups: Any) -> Source:
    beside = idx.labels_beside(path)
    return from_array(idx.read(path), None if beside is None else idx.read(beside), where=str(path), groups=groups)


def _of_parquet(files: dict[str, list[Path]], groups: Any, size: int | None, progress: Progress) -> Sides:
    from selftaught.data.image.decoded import build
    from selftaught.data.image.parquet import ParquetItems

    def load(part: list[Path], want: Draw | None) -> Source:
        return build(ParquetItems(part), want, size, progress, groups)

    return {side: partial(load, part) for side, part in files.items()}


def _of_object(data: Any, labels: Any, groups: Any, size: int | None, progress: Progress) -> Sides:
    from selftaught.data import hub
    from selftaught.data.image import sequence
    from selftaught.data.image.decoded import build
    from selftaught.data.image.hub import HubItems

    if hub.is_hub(data):
        if labels is not None:
            raise UserError("a Hugging Face data set has its own labels: name their column 'label'")

        def load(part: Any, want: Draw | None) -> Source:
            return build(HubItems(part), want, size, progress, groups)

        return {side: partial(load, part) for side, part in hub.sides(data).items()}
    if not hasattr(data, "__array__"):
        if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")) or isinstance(data, dict | bytes):
            raise UserError(
                f"data of type {type(data).__name__} cannot be read as images: give a name, a path, an array or a "
                "sequence"
            )
        whole = sequence.stacked(data)
        if whole is None:
            items = sequence.SequenceItems(data, labels)
            return {"all": partial(build, items, size=size, progress=progress, groups=groups)}
        data = whole
    return {"all": lambda _: from_array(data, labels, groups=groups)}
