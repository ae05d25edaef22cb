"""Open images of any supported form as a source."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, final, get_args

from selftaught import errors
from selftaught.data import catalog
from selftaught.data.image import idx, listed, tar
from selftaught.data.image.arrays import DEFAULT, from_array
from selftaught.data.image.image_set import ImageSet
from selftaught.data.image.items import Items
from selftaught.data.image.reading import Reading
from selftaught.data.joined import Joined
from selftaught.data.labels import union
from selftaught.data.remarks import say
from selftaught.data.subset import first
from selftaught.data.subset import split as split_by_content
from selftaught.errors import UserError
from selftaught.kind import Progress, Split, describe, silent
from selftaught.source import Source

Open = Callable[[int | None], Source]
"""Opens one part. The argument is the largest number of samples needed, as a hint."""
Sides = dict[str, Open]
"""Either "train" and "test", or "all"."""
Pair = tuple[Any, Any]
"""An array of images, and its labels or None."""


def open_images(
    data: Any,
    split: Split = "train",
    limit: int | None = None,
    *,
    labels: Any = None,
    size: int | None = None,
    progress: Progress = silent,
    reading: Reading = DEFAULT,
) -> Source:
    """Open images as a source.

    Args:
        data: The name of a data set in the catalog, a path (folder of images, IDX, .npy, .npz, .parquet, .tar shards, a
            .csv or .txt file of paths), a pattern of shards with braces, a Hugging Face data set, an array [N, H, W] or
            [N, H, W, C], any sequence of arrays or images, ``(x, y)``, ``((x, y), (x, y))``, ``{"train": ..., "test":
            ...}``, or a source (returned unchanged). To open a folder with the name of a data set, write ``./digits``.
        split: "train", "test" or "all". Data without a test part are split by content, 80/20.
        limit: Use only the first N samples.
        labels: Labels of an array or of a sequence: integers or names, one per sample.
        size: Decode images only once, to central squares of 1.15 times this many pixels, kept in the cache. Arrays and
            the data sets of the catalog stay unchanged.
        progress: Called as (done, total) while many files are read.
        reading: Range, bands, pages and axis of channels, the same for every format.

    Raises:
        UserError: If `data` cannot be read; one sentence says what is wrong and how to fix it.
    """
    if split not in get_args(Split):
        raise errors.unknown("split", str(split), get_args(Split))
    if size is not None and size < 1:
        raise UserError(f"size must be at least 1, not {size}")
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    found = _sides(data, labels, _How(size, progress, reading))
    if "all" not in found:
        if split == "all":
            return first(_joined([found["train"](limit), found["test"](limit)]), limit)
        return first(found[split](limit), limit)
    if split == "all":
        return first(found["all"](limit), limit)
    return first(split_by_content(found["all"](None), split), limit)


def _joined(parts: list[Source]) -> Source:
    channels = {part.traits["channels"] for part in parts}
    if len(channels) != 1:
        raise UserError(f"parts with {' and '.join(map(str, sorted(channels)))} channels cannot be joined")
    return Joined(parts)


@final
@dataclass(frozen=True)
class _How:
    """How all parts of a data set are opened; see `open_images`. The training part decides the range of pixels."""

    size: int | None
    progress: Progress
    reading: Reading

    def items(self, parts: Mapping[str, Callable[[], Items]]) -> Sides:
        """Return sides that decode the items of each part."""
        from selftaught.data.image.decoded import build

        made = {side: cache(part) for side, part in parts.items()}

        def load(side: str, limit: int | None) -> Source:
            return build(made[side](), limit, self.size, self.progress, self.reading, made.get("train"))

        return {side: partial(load, side) for side in parts}

    def arrays(self, parts: Mapping[str, Callable[[], Pair]], where: str, classes: Sequence[str] = ()) -> Sides:
        """Return sides over the array of each part, with its labels."""

        def load(side: str, limit: int | None) -> Source:
            images, labels = parts[side]()
            like = parts["train"]()[0] if "train" in parts else None
            return from_array(images, labels, classes, where=where, reading=self.reading, like=like)

        return {side: partial(load, side) for side in parts}


def _sides(data: Any, labels: Any, how: _How) -> Sides:
    if isinstance(data, Source):
        return {"all": lambda _: data}
    if isinstance(data, str | os.PathLike):
        if labels is not None:
            raise UserError(f"{data}: labels can be given only with arrays and sequences")
        return _of_name(os.fspath(data), how)
    return _of_object(data, labels, how)


def _of_name(name: str, how: _How) -> Sides:
    if name in catalog.listed():
        found = catalog.get(name)
        if not isinstance(found, ImageSet):
            raise UserError(
                f"{name}: these are {describe(found.ENTRY.kind).samples}, not images: 'selftaught data' lists sets "
                "of images"
            )
        progress = how.progress
        if how.reading != DEFAULT:
            say(f"{name}: {', '.join(how.reading.told)} has no effect on a set of the catalog")
        return {"train": lambda _: found.load("train", progress), "test": lambda _: found.load("test", progress)}
    if tar.is_pattern(name):
        return _of_shards(tar.shards(name), how)
    try:
        path = Path(name).expanduser()
        is_folder, is_file, exists = path.is_dir(), path.is_file(), path.exists()
    except (OSError, RuntimeError) as error:  # no permission, a name that is too long, or an unknown user
        raise UserError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if is_folder:
        return _of_folder(path, how)
    if is_file:
        return _of_file(path, how)
    if exists:
        raise UserError(f"{path}: neither a file nor a folder")
    if os.sep in name or path.suffix:
        raise UserError(
            f"{path}: there is no such file or folder (known data sets are: {', '.join(sorted(catalog.listed()))})"
        )
    raise errors.unknown("data", name, catalog.listed())


def _of_folder(path: Path, how: _How) -> Sides:
    from selftaught.data.image import folder, parquet

    shards = tar.shards(str(path))
    if shards and not folder.has_named(path):
        return _of_shards(shards, how)
    own = folder.sides(path)
    if own:
        parts = {side: folder.FolderItems(place, path) for side, place in own.items()}
        names = [part.class_names() for part in parts.values()]
        classes = tuple(sorted({*names[0], *names[1]})) if all(names) else ()
        for part in parts.values():
            part.name_classes(classes)
        return how.items({side: partial(_same, part) for side, part in parts.items()})
    tables = parquet.sides(path)
    if tables:
        return how.items({side: partial(parquet.ParquetItems, files) for side, files in tables.items()})
    return _of_idx_folder(path, how) or how.items({"all": partial(_same, folder.FolderItems(path))})


def _of_shards(paths: list[Path], how: _How) -> Sides:
    parts = {side: tar.TarItems(files) for side, files in tar.sides(paths).items()}
    classes = listed.ordered([name for part in parts.values() for name in part.class_names()])
    for part in parts.values():
        part.name_classes(classes)
    return how.items({side: partial(_same, part) for side, part in parts.items()})


def _same(items: Items) -> Items:
    return items


def _of_idx_folder(path: Path, how: _How) -> Sides:
    files = [file for file in sorted(path.glob("*images*")) if idx.is_idx(file) and file.is_file()]
    train = [file for file in files if "train" in file.name]
    test = [file for file in files if "t10k" in file.name or "test" in file.name]
    if train and test:
        return how.arrays({"train": partial(_idx, train[0]), "test": partial(_idx, test[0])}, str(path))
    return how.arrays({"all": partial(_idx, files[0])}, str(files[0])) if len(files) == 1 else {}


def _of_file(path: Path, how: _How) -> Sides:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        from selftaught.data.image.numpy_files import read_npy

        return how.arrays({"all": partial(read_npy, path)}, str(path))
    if suffix == ".npz":
        from selftaught.data.image.numpy_files import read_npz

        parts = read_npz(path)
        return how.arrays({side: partial(parts.__getitem__, side) for side in parts}, str(path))
    if suffix in (".parquet", ".pq"):
        from selftaught.data.image.parquet import ParquetItems

        return how.items({"all": partial(ParquetItems, [path])})
    if idx.is_idx(path):
        return how.arrays({"all": partial(_idx, path)}, str(path))
    if suffix == tar.SUFFIX:
        return _of_shards([path], how)
    if path.name.lower().endswith(tar.PACKED):
        raise UserError(f"{path}: a compressed archive cannot be read from any place in it: unpack it to .tar")
    if suffix in listed.SUFFIXES:
        return how.items({"all": partial(listed.ListedItems, path)})
    raise UserError(
        f"{path}: not a supported file of images: give a folder of images, IDX, .npy, .npz, .parquet, .tar, or a .csv "
        "or .txt file of paths"
    )


def _idx(path: Path) -> Pair:
    beside = idx.labels_beside(path)
    return idx.read(path), None if beside is None else idx.read(beside)


def _of_object(data: Any, labels: Any, how: _How) -> Sides:
    from selftaught.data import hub
    from selftaught.data.image import pairs, sequence
    from selftaught.data.image.hub import HubItems

    if hub.is_hub(data):
        if labels is not None:
            raise UserError("a Hugging Face data set has its own labels: name their column 'label'")
        return how.items({side: partial(HubItems, part) for side, part in hub.sides(data).items()})
    if pairs.are_parts(data):
        if labels is not None:
            raise UserError("the data have labels of their own: leave out labels")
        return _of_parts(pairs.parts_of(data), how)
    if not hasattr(data, "__array__"):
        if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")) or isinstance(data, dict | bytes):
            raise UserError(
                f"data of type {type(data).__name__} cannot be read as images: give a name, a path, an array or a "
                "sequence"
            )
        whole = sequence.stacked(data)
        if whole is None:
            return how.items({"all": partial(sequence.SequenceItems, data, labels)})
        data = whole
    return how.arrays({"all": lambda: (data, labels)}, "array")


def _of_parts(parts: dict[str, Pair], how: _How) -> Sides:
    from selftaught.data import hub
    from selftaught.data.image import sequence
    from selftaught.data.image.hub import HubItems

    if all(hub.is_hub(images) for images, _ in parts.values()):
        return how.items({side: partial(HubItems, images) for side, (images, _) in parts.items()})
    whole: dict[str, Pair] = {}
    for side, (images, labels) in parts.items():
        if isinstance(images, str | bytes | os.PathLike | Mapping) or not hasattr(images, "__getitem__"):
            raise UserError(f"{side}: data of type {type(images).__name__} is no part of a data set: give images")
        stacked = images if hasattr(images, "__array__") else sequence.stacked(images)
        whole[side] = (images if stacked is None else stacked, labels)
    classes = union([labels for _, labels in whole.values()])
    if all(hasattr(images, "__array__") for images, _ in whole.values()):
        return how.arrays({side: partial(tuple, pair) for side, pair in whole.items()}, "array", classes)
    return how.items({side: partial(sequence.SequenceItems, *pair, classes) for side, pair in whole.items()})
