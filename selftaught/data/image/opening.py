"""Open images of any supported form as a source."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, final, get_args

from selftaught import errors
from selftaught.data import catalog, layout, tables
from selftaught.data.folders import shown
from selftaught.data.image import idx
from selftaught.data.image.arrays import ArraySource, from_array, from_parts
from selftaught.data.image.colour import alike, is_grey
from selftaught.data.image.image_set import ImageSet
from selftaught.data.image.items import Items, number
from selftaught.data.joined import Joined
from selftaught.data.subset import first
from selftaught.data.subset import split as split_by_content
from selftaught.data.told import NO_CLASSES, division
from selftaught.errors import UserError
from selftaught.kind import Progress, Split, describe, silent
from selftaught.source import Source

Open = Callable[[int | None], Source]
"""Opens one part. The argument is the largest number of samples needed, as a hint."""


@final
@dataclass(frozen=True)
class Sides:
    """The parts of a data set, and what is said about them.

    Args:
        parts: Either "train" and "test", or "all".
        called: What each part is called in the data.
        aside: What is left aside, and how many images are in it (None = unknown).
        notes: What else there is to say.
        columns: Whether there are columns to choose from.
        alike: Whether all parts are known to have the same number of channels.
    """

    parts: Mapping[str, Open]
    called: Mapping[str, str] = field(default_factory=lambda: {"all": ""})
    aside: Mapping[str, int | None] = field(default_factory=dict)
    notes: Sequence[str] = ()
    columns: bool = False
    alike: bool = False


@final
@dataclass(frozen=True)
class Reading:
    """How a user wants images to be read, see `open_images`."""

    size: int | None = None
    image_column: str | None = None
    label_column: str | None = None
    progress: Progress = silent


def open_images(
    data: Any,
    split: Split = "train",
    limit: int | None = None,
    *,
    labels: Any = None,
    size: int | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    progress: Progress = silent,
) -> Source:
    """Open images as a source.

    Which folders are parts and which are classes is decided by `data/layout`. Classes and channels are decided once for
    all parts: if some images are in colour, all are.

    Args:
        data: The name of a data set in the catalog, a path (folder of images or of tables, IDX, .npy, .npz, .parquet,
            .arrow), a Hugging Face data set, an array [N, H, W] or [N, H, W, C], any sequence of arrays or images, or a
            source (returned unchanged). To open a folder with the name of a data set, write ``./digits``.
        split: "train", "test" or "all". Data without a test part are split by content, 80/20.
        limit: Use only the first N samples.
        labels: Labels of an array or of a sequence: integers or names, one per sample.
        size: Decode images only once, to central squares of 1.15 times this many pixels, kept in the cache. Arrays and
            the data sets of the catalog stay unchanged.
        image_column: The column of images in a table or a Hugging Face data set, by default found by name or type.
        label_column: The column of labels, by default found by its name; a column found by its name that has no classes
            is left out.
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
    if isinstance(data, Source) and split == "all":
        return first(data, limit)
    found = _sides(data, labels, Reading(size, image_column, label_column, progress))
    asked = {"--image-column": image_column, "--label-column": label_column}
    if not found.columns and (useless := [option for option, column in asked.items() if column is not None]):
        raise UserError(f"{' and '.join(useless)} has no effect: these data have no columns: remove it")
    source = _opened(found, split, limit)
    source.notes = (*division(split, found.called, found.aside), *found.notes)
    return source


def _opened(found: Sides, split: Split, limit: int | None) -> Source:
    parts = found.parts
    if "all" in parts:
        return first(parts["all"](limit) if split == "all" else split_by_content(parts["all"](None), split), limit)
    wanted = ["train", "test"] if split == "all" else [split]
    opened = {part: parts[part](limit) for part in wanted}
    if len(wanted) == 1 and not found.alike and is_grey(opened[split]):
        other = "test" if split == "train" else "train"
        with suppress(UserError):  # of which nothing can be read; who needs it is told then
            opened[other] = parts[other](limit)
    opened = alike(opened)
    return first(_joined([opened[part] for part in wanted]), limit)


def _joined(parts: list[Source]) -> Source:
    channels = {part.traits["channels"] for part in parts}
    if len(channels) != 1:
        raise UserError(f"parts with {' and '.join(map(str, sorted(channels)))} channels cannot be joined")
    return Joined(parts) if len(parts) > 1 else parts[0]


def _sides(data: Any, labels: Any, how: Reading) -> Sides:
    if isinstance(data, Source):
        return Sides({"all": lambda _: data})
    if isinstance(data, str | os.PathLike):
        if labels is not None:
            raise UserError(f"{data}: labels can be given only with arrays and sequences")
        if isinstance(data, str) and data in catalog.listed():
            return _of_catalog(data, how.progress)
        return _of_path(os.fspath(data), how)
    return _of_object(data, labels, how)


def _of_catalog(name: str, progress: Progress) -> Sides:
    found = catalog.get(name)
    if not isinstance(found, ImageSet):
        raise UserError(
            f"{name}: these are {describe(found.ENTRY.kind).samples}, not images: 'selftaught data' lists sets of "
            "images"
        )
    return Sides(
        {"train": lambda _: found.load("train", progress), "test": lambda _: found.load("test", progress)},
        {"train": "", "test": ""},
        alike=True,
    )


def _of_path(name: str, how: Reading) -> Sides:
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


def _of_folder(path: Path, how: Reading) -> Sides:
    from selftaught.data.image import folder, table

    if of_idx := _of_idx_folder(path):
        return of_idx
    found = folder.look(path)
    if found.tables and (not found.files or table.holds_images(path / found.tables[0])):
        files = tables.of_one_set(path, found.tables)
        if files and (
            not found.files or _rows(path, files) > len(found.files)
        ):  # one picture may show what the tables are about
            return _of_tables(path, files, how)
    if not found.files and not found.skipped:
        raise UserError(f"{shown(str(path))}: no image in this folder or its subfolders ({folder.EXAMPLES}, ...)")
    named = layout.arrange([file.path for file in found.files], path.resolve().name)
    parts = {
        part: folder.FolderItems(
            path, [found.files[row] for row in rows], [named.owners[row] for row in rows], found.skipped
        )
        for part, rows in named.parts.items()
    }
    notes = (NO_CLASSES + named.why,) if named.why else ()
    return _of_items(parts, named.called, dict(named.aside), how, notes)


def _of_items(
    parts: Mapping[str, Items],
    called: Mapping[str, str],
    aside: Mapping[str, int | None],
    how: Reading,
    notes: Sequence[str] = (),
) -> Sides:
    """Return parts of encoded images, whose labels are numbered alike."""
    from selftaught.data.image.decoded import build

    notes = (*number(list(parts.values())), *notes)
    opened = {part: partial(build, items, size=how.size, progress=how.progress) for part, items in parts.items()}
    return Sides(opened, called, aside, notes, any(items.columns for items in parts.values()))


def _of_tables(root: Path, files: list[str], how: Reading) -> Sides:
    from selftaught.data.image.table import TableItems

    made: dict[tuple[str, ...], TableItems] = {}

    def items(names: list[str]) -> TableItems:
        key = tuple(names)
        if key not in made:
            made[key] = TableItems([root / name for name in names], image=how.image_column, label=how.label_column)
        return made[key]

    parts, left = layout.named(files, lambda names: items(names).given.known)
    called = {part: _called(names) if "all" not in parts or left else "" for part, names in parts.items()}
    aside = {name: _rows(root, [name]) for name in left}
    return _of_items({part: items(names) for part, names in parts.items()}, called, aside, how)


def _rows(root: Path, files: Sequence[str]) -> int:
    with tables.readable(str(root / files[0])):
        return tables.rows([root / file for file in files])


def _called(files: Sequence[str]) -> str:
    return files[0] + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def _of_idx_folder(path: Path) -> Sides | None:
    files = [file for file in sorted(path.glob("*images*")) if idx.is_idx(file) and file.is_file()]
    train = [file for file in files if "train" in file.name]
    test = [file for file in files if "t10k" in file.name or "test" in file.name]
    if train and test:
        chosen = {"train": train[0], "test": test[0]}
        return _of_arrays(
            {part: idx.with_labels(file) for part, file in chosen.items()},
            {part: file.name for part, file in chosen.items()},
            str(path),
        )
    return _of_arrays({"all": idx.with_labels(files[0])}, {"all": ""}, str(path)) if len(files) == 1 else None


def _of_arrays(
    parts: Mapping[str, tuple[Any, Any]], called: Mapping[str, str], where: str, aside: Mapping[str, int | None] = {}
) -> Sides:
    """Return parts of arrays [N, H, W] or [N, H, W, C] with the labels that were found beside them, or None."""
    made, notes = from_parts(parts, where)

    def opener(source: ArraySource) -> Open:
        return lambda _: source

    return Sides({part: opener(source) for part, source in made.items()}, called, aside, notes)


def _of_file(path: Path, how: Reading) -> Sides:
    from selftaught.data.image import numpy_files

    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _of_arrays({"all": numpy_files.read_npy(path)}, {"all": ""}, str(path))
    if suffix == ".npz":
        parts, called, left = numpy_files.read_npz(path)
        return _of_arrays(parts, called, str(path), left)
    if tables.is_table(path):
        return _of_tables(path.parent, [path.name], how)
    if idx.is_idx(path):
        return _of_arrays({"all": idx.with_labels(path)}, {"all": ""}, str(path))
    raise UserError(f"{path}: not a supported file of images: give a folder of images, or IDX, .npy, .npz or .parquet")


def _of_object(data: Any, labels: Any, how: Reading) -> Sides:
    from selftaught.data import hub
    from selftaught.data.image import sequence
    from selftaught.data.image.hub import HubItems

    if hub.is_hub(data):
        if labels is not None:
            raise UserError("a Hugging Face data set has its own labels: name their column 'label', or label_column=")
        parts, called, left = hub.sides(data, how.label_column)
        items = {part: HubItems(one, how.image_column, how.label_column) for part, one in parts.items()}
        return _of_items(items, called, left, how)
    if not hasattr(data, "__array__"):
        if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")) or isinstance(data, dict | bytes):
            raise UserError(
                f"data of type {type(data).__name__} cannot be read as images: give a name, a path, an array or a "
                "sequence"
            )
        whole = sequence.stacked(data)
        if whole is None:
            return _of_items({"all": sequence.SequenceItems(data, labels)}, {"all": ""}, {}, how)
        data = whole
    return Sides({"all": lambda _: from_array(data, labels)})
