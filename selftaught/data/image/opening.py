"""Open images of any supported form as a source."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, final, get_args

import numpy as np
from numpy.typing import NDArray

from selftaught import errors
from selftaught.data import catalog, layout, tables, told
from selftaught.data.folders import shown
from selftaught.data.image import folder, idx, listed, tar
from selftaught.data.image.arrays import from_array
from selftaught.data.image.axes import axes
from selftaught.data.image.colour import alike, is_grey
from selftaught.data.image.columns import COLUMNS
from selftaught.data.image.image_set import ImageSet
from selftaught.data.image.items import Items, number
from selftaught.data.image.pairs import Pair
from selftaught.data.image.reading import DEFAULT, Reading
from selftaught.data.image.source import ImageSource
from selftaught.data.joined import Joined
from selftaught.data.labels import Given, as_labels, decide
from selftaught.data.subset import Draw, draw
from selftaught.data.told import NO_CLASSES, refused
from selftaught.errors import UserError
from selftaught.kind import Progress, Split, describe, silent
from selftaught.source import Source

Open = Callable[[Draw | None], Source]
"""Opens one part. The argument is what is needed of it, as a hint: an `ImageSource` that is just that is `drawn`."""


@final
@dataclass(frozen=True)
class Sides(told.Sides[Open]):
    """The parts of a data set of images.

    Args:
        columns: The options of columns that have an effect.
        alike: Whether all parts are known to have the same number of channels.
        paths: Whether images are called by paths that tell their part.
    """

    columns: Collection[str] = ()
    alike: bool = False
    paths: bool = False


@final
@dataclass(frozen=True)
class _How:
    """How all parts of a data set are opened, see `open_images`. The training part decides the range of pixels."""

    size: int | None
    image_column: str | None
    label_column: str | None
    groups: Any
    progress: Progress
    reading: Reading

    def items(
        self,
        parts: Mapping[str, Items],
        called: Mapping[str, str],
        aside: Mapping[str, int | None] = {},
        notes: Sequence[str] = (),
    ) -> Sides:
        """Return parts of images that are decoded, whose labels are numbered alike."""
        from selftaught.data.image.decoded import build

        every = list(parts.values())
        notes = (*number(every), *notes)
        columns = {option for items in every for option in items.columns}

        def opener(items: Items) -> Open:
            return lambda want: build(items, want, self.size, self.progress, self.reading, every, self.groups)

        return Sides({part: opener(items) for part, items in parts.items()}, called, aside, notes, frozenset(columns))

    def arrays(
        self,
        parts: Mapping[str, Pair],
        called: Mapping[str, str],
        where: str,
        aside: Mapping[str, int | None] = {},
        asked: bool = False,
    ) -> Sides:
        """Return parts of arrays with their labels or None, numbered alike. `asked`: the user said they are labels."""
        images = {part: np.asanyarray(found) for part, (found, _) in parts.items()}
        every = list(images.values())
        given = []
        for part, (_, labels) in parts.items():
            n = len(images[part]) if images[part].ndim else 0
            if labels is not None and (axes(labels) == 0 or len(labels) != n):
                as_labels(labels, n, where)  # a file that is cut or of other images: raises
            given.append(Given(labels, n))
        decided = decide(given, ids=asked)
        if decided.why and asked:
            raise UserError(f"{where}: {decided.why}{decided.fix}")

        def opener(part: str, labels: NDArray[np.int64]) -> Open:
            return lambda _: from_array(images[part], labels, decided.classes, where, self.reading, every, self.groups)

        opened = {part: opener(part, labels) for part, labels in zip(parts, decided.labels, strict=True)}
        return Sides(opened, called, aside, (refused(None, decided.why),) if decided.why else ())


def open_images(
    data: Any,
    split: Split = "train",
    limit: int | None = None,
    *,
    seed: int = 0,
    labels: Any = None,
    groups: Any = None,
    size: int | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    progress: Progress = silent,
    reading: Reading = DEFAULT,
) -> Source:
    """Open images as a source.

    Which folders are parts and which are classes is decided by `data/layout`. Classes and channels are decided once for
    all parts: if some images are in colour, all are.

    Args:
        data: The name of a data set in the catalog, a path (folder of images, of tables or of shards, IDX, .npy, .npz,
            .parquet, .arrow, .tar shards, a .csv or .txt file of paths), a pattern of shards with braces, a Hugging
            Face data set, an array [N, H, W] or [N, H, W, C], any sequence of arrays or images, ``(x, y)``, ``((x, y),
            (x, y))``, ``{"train": ..., "test": ...}``, or a source (returned unchanged). To open a folder with the name
            of a data set, write ``./digits``.
        split: "train", "test" or "all". Data without a test part are split by content, 80/20.
        limit: Use only N samples, drawn from all classes alike, see `data.subset.drawn`.
        seed: Draws them.
        labels: Labels of an array or of a sequence: integers or names, one per sample.
        groups: Which images stay on one side of a split, see `data.groups`: a column of tables or Hugging Face data, a
            file, a regular expression for the paths of images, or one group per image.
        size: Decode images only once, to central squares of 1.15 times this many pixels, kept in the cache. Arrays and
            the data sets of the catalog stay unchanged.
        image_column: The column of images in a table or a Hugging Face data set, by default found by name or type.
        label_column: The column of labels, by default found by its name; a column found by its name that has no classes
            is left out. In shards, the key in .json files.
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
    if isinstance(data, Source) and groups is not None:
        raise UserError("a Source has its own groups: remove groups, or return them from its property 'groups'")
    if isinstance(data, Source) and split == "all":
        return draw(data, limit, seed)
    found = _sides(data, labels, _How(size, image_column, label_column, groups, progress, reading))
    asked = dict(zip(COLUMNS, (image_column, label_column), strict=True))
    useless = [option for option, column in asked.items() if column is not None and option not in found.columns]
    if useless:
        raise UserError(f"{' and '.join(useless)} has no effect: these data have no columns for it: remove it")
    source = _opened(found, Draw(limit, seed, split))
    source.notes = (*found.told(split), *source.notes)
    return source


def _opened(found: Sides, want: Draw) -> Source:
    parts = found.parts
    if "all" in parts:
        return _drawn(parts["all"], want)
    whole = replace(want, side="all")  # the parts are the sides
    if want.side == "all":
        opened = _shares({part: parts[part](whole) for part in ("train", "test")}, whole)
        return _joined(alike(opened), found.paths)
    opened = {want.side: _drawn(parts[want.side], whole)}
    if not found.alike and is_grey(opened[want.side]):
        other = "test" if want.side == "train" else "train"
        with suppress(UserError):  # of which nothing can be read; who needs it is told then
            opened[other] = parts[other](whole)
    return alike(opened)[want.side]


def _drawn(part: Open, want: Draw) -> Source:
    source = part(want)
    return source if isinstance(source, ImageSource) and source.drawn == want else want.of(source)


def _shares(parts: dict[str, Source], want: Draw) -> dict[str, Source]:
    """Return what is wanted of both parts together, of each its share."""
    sizes = [source.of if isinstance(source, ImageSource) and source.of else len(source) for source in parts.values()]
    total = sum(sizes)
    if want.limit is None or want.limit >= total:
        return parts
    share = min(max(1, round(want.limit * sizes[0] / total)), max(1, want.limit - 1))
    limits = (share, want.limit - share)
    return {
        part: draw(source, limit, want.seed)
        for (part, source), limit in zip(parts.items(), limits, strict=True)
        if limit
    }


def _joined(parts: Mapping[str, Source], paths: bool) -> Source:
    channels = {part.traits["channels"] for part in parts.values()}
    if len(channels) != 1:
        raise UserError(f"parts with {' and '.join(map(str, sorted(channels)))} channels cannot be joined")
    return Joined(list(parts.values()), () if paths else list(parts))


def _sides(data: Any, labels: Any, how: _How) -> Sides:
    if isinstance(data, Source):
        return Sides({"all": lambda _: data})
    if isinstance(data, str | os.PathLike):
        if labels is not None:
            raise UserError(f"{data}: labels can be given only with arrays and sequences")
        if isinstance(data, str) and data in catalog.listed():
            return _of_catalog(data, how)
        return _of_path(os.fspath(data), how)
    return _of_object(data, labels, how)


def _of_catalog(name: str, how: _How) -> Sides:
    found = catalog.get(name)
    if not isinstance(found, ImageSet):
        raise UserError(
            f"{name}: these are {describe(found.ENTRY.kind).samples}, not images: 'selftaught data' lists sets of "
            "images"
        )
    if how.groups is not None:
        raise UserError(f"{name}: a data set of the catalog has its own groups, or needs none: remove --groups")
    useless = ", ".join(f"--{option.replace('_', '-')}" for option in how.reading.told)
    return Sides(
        {"train": lambda _: found.load("train", how.progress), "test": lambda _: found.load("test", how.progress)},
        {"train": "", "test": ""},
        notes=(f"{useless} has no effect on a set of the catalog",) if useless else (),
        alike=True,
    )


def _of_path(name: str, how: _How) -> Sides:
    if tar.is_pattern(name):
        return _of_shards(tar.shards(name), how, asked=True)
    path, is_folder = catalog.located(name)
    return _of_folder(path, how) if is_folder else _of_file(path, how)


def _of_folder(path: Path, how: _How) -> Sides:
    from selftaught.data.image import table

    if of_idx := _of_idx_folder(path, how):
        return of_idx
    found = folder.look(path)
    if found.tables and (not found.files or table.holds_images(path / found.tables[0])):
        files = tables.of_one_set(path, found.tables)
        if files and (
            not found.files or _rows(path, files) > len(found.files)
        ):  # one picture may show what the tables are about
            return _of_tables(path, files, how)
    if found.shards and not found.files:
        return _of_shards([path / shard for shard in found.shards], how)
    return _of_pictures(path, found, how)


def _of_pictures(path: Path, found: folder.Found, how: _How) -> Sides:
    files = found.files or found.arrays
    if not files and not found.skipped:
        raise UserError(f"{shown(str(path))}: no image in this folder or its subfolders ({folder.EXAMPLES}, ...)")
    paths = [file.path for file in files]
    said = listed.beside(path, paths, found.beside, how.image_column, how.label_column)

    def column(name: str, rows: Sequence[int]) -> list[Any]:
        having = [table for table in found.beside if name in listed.names(path / table)]
        owners = listed.beside(path, paths, having, how.image_column, name).owners
        return [owners.get(row) for row in rows]

    there = {name for table in found.beside for name in listed.names(path / table)}
    known = {row for row, owner in said.owners.items() if owner is not None}
    named = layout.arrange(paths, path.resolve().name, known)
    used = {row for rows in named.parts.values() for row in rows}
    by_table = not used.isdisjoint(said.owners)
    parts = {}
    for part, rows in named.parts.items():
        owners = [named.owners[row] for row in rows]
        given = Given([said.owners.get(row) for row in rows], len(rows)) if by_table else folder.of_folders(owners)
        skipped = [*found.skipped, *(said.skipped if by_table else ())]
        parts[part] = items = folder.FolderItems(path, [files[row] for row in rows], given, skipped)
        items.table = {name: partial(column, name, rows) for name in there}
        if by_table:
            items.columns, items.asked, items.label = COLUMNS, how.label_column is not None, how.label_column
    notes = said.notes(used) if by_table else (NO_CLASSES + named.why,) if named.why else ()
    return replace(how.items(parts, named.called, dict(named.aside), notes), paths=True)


def _of_tables(root: Path, files: list[str], how: _How) -> Sides:
    from selftaught.data.image.table import TableItems

    @cache
    def items(*names: str) -> Items:
        return TableItems([root / name for name in names], image=how.image_column, label=how.label_column)

    return _of_files(files, items, lambda name: _rows(root, [name]), how)


def _of_shards(paths: Sequence[Path], how: _How, asked: bool = False) -> Sides:
    root = os.path.commonpath([path.parent for path in paths])

    @cache
    def items(*names: str) -> Items:
        return tar.TarItems([Path(root, name) for name in names], how.label_column)

    return _of_files([os.path.relpath(path, root) for path in paths], items, lambda _: None, how, asked)


def _of_files(
    files: list[str],
    items: Callable[..., Items],
    count: Callable[[str], int | None],
    how: _How,
    asked: bool = False,
) -> Sides:
    """Return the parts of files that hold many images each, by the names of the files."""
    parts, left = layout.named(files, lambda names: items(*names).given.known, asked)
    called = {part: _called(names) if "all" not in parts or left else "" for part, names in parts.items()}
    return how.items(
        {part: items(*names) for part, names in parts.items()}, called, {name: count(name) for name in left}
    )


def _rows(root: Path, files: Sequence[str]) -> int:
    with tables.readable(str(root / files[0])):
        return tables.rows([root / file for file in files])


def _called(files: Sequence[str]) -> str:
    return files[0] + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def _of_idx_folder(path: Path, how: _How) -> Sides | None:
    files = [file for file in sorted(path.glob("*images*")) if idx.is_idx(file) and file.is_file()]
    train = [file for file in files if "train" in file.name]
    test = [file for file in files if "t10k" in file.name or "test" in file.name]
    if train and test:
        chosen = {"train": train[0], "test": test[0]}
        return how.arrays(
            {part: idx.with_labels(file) for part, file in chosen.items()},
            {part: file.name for part, file in chosen.items()},
            str(path),
        )
    return how.arrays({"all": idx.with_labels(files[0])}, {"all": ""}, str(path)) if len(files) == 1 else None


def _of_file(path: Path, how: _How) -> Sides:
    from selftaught.data.image import numpy_files

    suffix = path.suffix.lower()
    if suffix == ".npy":
        return how.arrays({"all": numpy_files.read_npy(path)}, {"all": ""}, str(path))
    if suffix == ".npz":
        found = numpy_files.read_npz(path)
        return how.arrays(found.parts, found.called, str(path), found.aside)
    if tables.is_table(path):
        return _of_tables(path.parent, [path.name], how)
    if idx.is_idx(path):
        return how.arrays({"all": idx.with_labels(path)}, {"all": ""}, str(path))
    if suffix == tar.SUFFIX:
        return _of_shards([path], how)
    if path.name.lower().endswith(tar.PACKED):
        raise UserError(f"{path}: a compressed archive cannot be read from any place in it: unpack it to .tar")
    if suffix in listed.SUFFIXES:
        return how.items({"all": listed.ListedItems(path, how.image_column, how.label_column)}, {"all": ""})
    raise UserError(
        f"{path}: not a supported file of images: give a folder of images, IDX, .npy, .npz, .parquet, .tar, or a .csv "
        "or .txt file of paths"
    )


def _of_object(data: Any, labels: Any, how: _How) -> Sides:
    from selftaught.data import hub
    from selftaught.data.image import pairs, sequence
    from selftaught.data.image.hub import HubItems

    if hub.is_hub(data) or (isinstance(data, Mapping) and data and all(map(hub.is_hub, data.values()))):
        if labels is not None:
            raise UserError("a Hugging Face data set has its own labels: name their column 'label', or label_column=")
        found = hub.sides(data, how.label_column)
        items = {part: HubItems(one, how.image_column, how.label_column) for part, one in found.parts.items()}
        return how.items(items, found.called, found.aside)
    if pairs.are_parts(data):
        if labels is not None:
            raise UserError("the data have labels of their own: leave out labels")
        return _of_pairs(pairs.parts_of(data), how)
    if not hasattr(data, "__array__"):
        if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")) or isinstance(data, dict | bytes):
            raise UserError(
                f"data of type {type(data).__name__} cannot be read as images: give a name, a path, an array or a "
                "sequence"
            )
        whole = sequence.stacked(data)
        if whole is None:
            return how.items({"all": sequence.SequenceItems(data, labels, labels is not None)}, {"all": ""})
        data = whole
    return how.arrays({"all": (data, labels)}, {"all": ""}, "array", asked=labels is not None)


def _of_pairs(found: told.Sides[Pair], how: _How) -> Sides:
    from selftaught.data.image import sequence

    whole: dict[str, Pair] = {}
    for part, (images, labels) in found.parts.items():
        if isinstance(images, str | bytes | os.PathLike | Mapping) or not hasattr(images, "__getitem__"):
            raise UserError(
                f"{found.called[part] or part}: data of type {type(images).__name__} is no part of a data set: give "
                "images"
            )
        stacked = images if hasattr(images, "__array__") else sequence.stacked(images)
        whole[part] = (images if stacked is None else stacked, labels)
    if all(hasattr(images, "__array__") for images, _ in whole.values()):
        return how.arrays(whole, found.called, "array", found.aside)
    return how.items({part: sequence.SequenceItems(*pair) for part, pair in whole.items()}, found.called, found.aside)
