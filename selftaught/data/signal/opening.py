"""Open series of any supported form as a source."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final, get_args

import numpy as np
from numpy.typing import NDArray

from selftaught import errors
from selftaught.data import catalog, layout, tables
from selftaught.data.folders import files, shown
from selftaught.data.joined import wanted
from selftaught.data.labels import decide
from selftaught.data.signal import arrays, delimited, folder, ts
from selftaught.data.signal.part import Part, Usable, most_channels, usable
from selftaught.data.signal.signal_set import SignalSet
from selftaught.data.signal.source import Series, Signals
from selftaught.data.signal.tables import read as read_tables
from selftaught.data.span import span
from selftaught.data.subset import Draw
from selftaught.data.told import Sides, labels_called, refused
from selftaught.errors import UserError
from selftaught.kind import Progress, Split, describe
from selftaught.source import Index, Source

LONGEST = 2048
"""An encoder sees series of this length at most unless `length` is given."""
SHORTEST = 4


@final
@dataclass(frozen=True)
class How:
    """How all parts of a data set are opened: the options of the kind, see `Signal`, and what `Kind.open` is given."""

    channels: tuple[str, ...]
    label_column: str | None
    channel_axis: arrays.Axis
    length: int | None
    groups: Any
    progress: Progress
    asked: bool


def open_signals(data: Any, want: Draw, labels: Any, how: How) -> Source:
    """Open series as a source, see `Kind.open`. Raises UserError."""
    if want.side not in get_args(Split):
        raise errors.unknown("split", str(want.side), get_args(Split))
    if isinstance(data, Source):
        if how.groups is not None:
            raise UserError("a Source has its own groups: remove groups, or return them from its property 'groups'")
        return want.of(data)
    found = _sides(data, labels, how)
    if how.asked:
        _idle(found.parts, how)
    sources = _built(found.parts, how, asked=labels is not None or how.label_column is not None)
    source = wanted(sources, want)
    notes = [note for part in found.parts.values() for note in part.notes]
    notes += _lengths(sources, how.length)
    source.notes = tuple(dict.fromkeys((*found.told(want.side), *source.notes, *notes)))
    return source


def _idle(parts: Mapping[str, Part], how: How) -> None:
    """Raises UserError for an option without an effect."""
    having = {option for part in parts.values() for option in part.options}
    for option, value, unset in (
        ("channels", how.channels, ()),
        ("label_column", how.label_column, None),
        ("channel_axis", how.channel_axis, "auto"),
    ):
        if value != unset and option not in having:
            raise UserError(
                f"--{option.replace('_', '-')} has no effect: these data have nothing for it to choose from: remove it"
            )


def _built(parts: Mapping[str, Part], how: How, asked: bool) -> dict[str, Source]:
    """Return the sources of all parts: the same channels, as most series of the first part have, and labels."""
    first = next(iter(parts.values()))
    channels = most_channels(first)
    decided = decide([part.given for part in parts.values()], ids=asked and first.label is None)
    column = next((part.label for part in parts.values() if part.label), None)
    if decided.why and asked:
        raise UserError(f"{first.where}: {labels_called(column)}: {decided.why}{decided.fix}")
    found: dict[str, Source] = {}
    for (name, part), known in zip(parts.items(), decided.labels, strict=True):
        kept = usable(part, channels)
        skipped = [*part.skipped, *kept.skipped]
        if not len(kept.rows):
            why = f"{skipped[0]['path']}: {skipped[0]['reason']}" if skipped else "it is empty"
            raise UserError(f"{part.where}: no series in it can be used ({why})")
        groups = part.grouped(how.groups)
        series, rows = _gathered(kept)
        found[name] = Signals(
            series,
            known[kept.rows],
            decided.classes,
            rows=rows,
            groups=None if groups is None else groups[kept.rows],
            names=[str(row) if part.names is None else part.names[row] for row in kept.rows.tolist()],
            skipped=skipped,
            reading=part.reading,
        )
    notes = (refused(column, decided.why),) if decided.why else ()
    for source in found.values():
        source.notes = notes
    return found


def _gathered(kept: Usable) -> tuple[NDArray[Any] | Sequence[Series], Index | None]:
    """Return what `Signals` takes: series of one length as an array; one that is an array already stays where it is."""
    if isinstance(kept.series, np.ndarray):
        return kept.series, kept.rows
    series = [kept.series[row] for row in kept.rows.tolist()]
    return (np.stack(series) if len({one.shape for one in series}) == 1 else series), None


def length_of(longest: int, asked: int | None) -> int:
    """Return the length of the encoder's input for series of which the longest of the training part is known."""
    return asked or max(min(longest, LONGEST), SHORTEST)


def _lengths(sources: Mapping[str, Source], asked: int | None) -> tuple[str, ...]:
    """Return the note on series that are not of the encoder's length, if there are, in any part."""
    spans = [span(source, "signal") for source in sources.values()]
    shortest, longest = min(one[0] for one in spans), max(one[1] for one in spans)
    length = length_of(spans[0][1], asked)  # the training part is the first
    if shortest == longest == length:
        return ()
    said = f"{shortest:,} to {longest:,} samples long" if shortest != longest else f"{longest:,} samples long"
    cut = f"longer ones are cropped to {length:,}" if longest > length else ""
    padded = f"shorter ones are padded to {length:,}, with a mask" if shortest < length else ""
    return (f"series are {said}: {' and '.join(filter(None, (padded, cut)))}",)


def _sides(data: Any, labels: Any, how: How) -> Sides[Part]:
    if isinstance(data, str | os.PathLike):
        if labels is not None:
            raise UserError(f"{data}: labels can be given only with arrays and sequences")
        if isinstance(data, str) and data in catalog.listed():
            return _of_catalog(data, how)
        return _of_path(os.fspath(data), how)
    return _of_object(data, labels, how)


def _of_catalog(name: str, how: How) -> Sides[Part]:
    found = catalog.get(name)
    if not isinstance(found, SignalSet):
        raise UserError(
            f"{name}: these are {describe(found.ENTRY.kind).samples}, not signals: 'selftaught data' lists sets of "
            "signals"
        )
    train, test = (ts.read(path) for path in found.files(how.progress))
    return Sides({"train": train, "test": test}, {"train": "", "test": ""})


def _of_path(name: str, how: How) -> Sides[Part]:
    path, is_folder = catalog.located(name)
    return _of_folder(path, how) if is_folder else _of_file(path, how)


def _of_folder(path: Path, how: How) -> Sides[Part]:
    if archive := files(path, (ts.SUFFIX,)):
        return folder.of_archive(path, archive)
    texts = files(path, delimited.SUFFIXES)
    if texts and folder.are_parts(texts):
        return folder.of_rows(path, texts, how.label_column)
    if texts:
        return folder.of_texts(path, texts, how.channels, how.label_column, how.progress)
    if packed := files(path, sorted(tables.SUFFIXES)):
        return _of_tables(path, tables.of_one_set(path, packed), how)
    where = shown(str(path))
    raise UserError(f"{where}: no series in this folder or below it (.ts, .csv, .tsv, .parquet)")


def _of_file(path: Path, how: How) -> Sides[Part]:
    suffix = path.suffix.lower()
    if suffix == ts.SUFFIX:
        return folder.of_archive(path.parent, folder.beside(path))
    if suffix == ".npy":
        return Sides({"all": arrays.of_npy(path, how.channel_axis)})
    if suffix == ".npz":
        return arrays.of_npz(path, how.channel_axis)
    if tables.is_table(path):
        return _of_tables(path.parent, [path.name], how)
    if suffix in delimited.SUFFIXES:
        return folder.of_rows(path.parent, folder.beside(path), how.label_column)
    raise UserError(
        f"{path}: not a supported file of series: give .ts, .csv, .tsv, .npy, .npz or .parquet, or a folder of .csv "
        "files with one series each"
    )


def _of_tables(root: Path, files: list[str], how: How) -> Sides[Part]:
    def part(names: Sequence[str]) -> Part:
        return read_tables([root / name for name in names], how.channels, how.label_column)

    parts, left = layout.named(files, lambda names: part(names).given.known)
    called = {one: names[0] if "all" not in parts or left else "" for one, names in parts.items()}
    return Sides({one: part(names) for one, names in parts.items()}, called, dict.fromkeys(left))


def _of_object(data: Any, labels: Any, how: How) -> Sides[Part]:
    given: dict[str, arrays.Pair] | None = None
    if isinstance(data, Mapping):
        if set(data) <= {"train", "test", "all"} and data:
            given = {part: _pair(value) for part, value in data.items()}
        else:
            return arrays.of_named(dict(data), "dict", how.channel_axis)
    elif isinstance(data, tuple) and len(data) == 2 and all(map(_is_pair, data)):
        given = {"train": data[0], "test": data[1]}
    elif _is_pair(data):
        given = {"all": data}
    if given is not None and labels is not None:
        raise UserError("the data have labels of their own: leave out labels")
    if given is None:
        if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")) or isinstance(data, bytes):
            raise UserError(
                f"data of type {type(data).__name__} cannot be read as series: give a name, a path, an array or a list "
                "of arrays"
            )
        given = {"all": (data, labels)}
    return Sides(arrays.of_pairs(given, "array", how.channel_axis), dict.fromkeys(given, ""))


def _pair(value: Any) -> arrays.Pair:
    return value if _is_pair(value) else (value, None)


def _is_pair(value: Any) -> bool:
    """Return whether a value is series with as many labels."""
    if not isinstance(value, tuple) or len(value) != 2 or not all(hasattr(one, "__len__") for one in value):
        return False
    series, labels = value
    of_arrays = isinstance(series, list | tuple) and len(series) > 0 and np.ndim(series[0]) in (1, 2)
    return (np.ndim(series) in (2, 3) if hasattr(series, "__array__") else of_arrays) and len(labels) == len(series)
