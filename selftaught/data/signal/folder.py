"""Folders: of text files with one series each, or of files of the UCR and UEA archives."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from selftaught.data import layout
from selftaught.data.folders import shown
from selftaught.data.labels import Given
from selftaught.data.signal import delimited, rows, ts
from selftaught.data.signal.part import Part
from selftaught.data.told import NO_CLASSES, Sides
from selftaught.errors import UserError
from selftaught.kind import Progress
from selftaught.source import Skipped


def of_archive(root: Path, names: Sequence[str]) -> Sides[Part]:
    """Return the parts of .ts files, by their names: NAME_TRAIN.ts and NAME_TEST.ts. Raises UserError.

    Several data sets in one folder are refused, because their series are not alike.
    """
    groups = layout.grouped(names, layout.side_of_file)
    if any(len(one) > 1 for one in groups.values()) or (not layout.divided(groups) and len(names) > 1):
        raise UserError(f"{root}: holds several data sets: name one file of one of them, such as {root / names[0]}")
    if not layout.divided(groups):
        return Sides({"all": ts.read(root / names[0])})
    read = {side: ts.read(root / one[0]) for side, one in groups.items()}
    sides = layout.chosen(read, lambda part: part.given.known)
    left = {groups[side][0]: len(part.series) for side, part in read.items() if side not in sides.values()}
    called = {part: os.path.basename(groups[side][0]) for part, side in sides.items()}
    return Sides({part: read[side] for part, side in sides.items()}, called, left)


def beside(path: Path) -> list[str]:
    """Return the names of a file and of those beside it that are other parts of the same data set."""
    same = [one.name for one in sorted(path.parent.glob(f"*{path.suffix}")) if _stem(one) == _stem(path)]
    return same if layout.side_of_file(path.name) else [path.name]


def _stem(path: Path) -> str:
    """Return the name without the word that tells the part: "GunPoint" of GunPoint_TRAIN.ts."""
    words = [word for word in layout.WORD.findall(path.stem) if word.lower() not in layout.SIDES]
    return "".join(words)


def are_parts(names: Sequence[str]) -> bool:
    """Return whether text files are the parts of a data set, with a series in each line: one file for each."""
    groups = layout.grouped(names, layout.side_of_file)
    return layout.divided(groups) and len(names) == len(groups)


def of_rows(root: Path, names: Sequence[str], label: str | None) -> Sides[Part]:
    """Return the parts of text files with a series in each line. Raises UserError."""
    if len(names) == 1:
        return Sides({"all": rows.read(root / names[0], label)})
    read = {side: rows.read(root / one, label) for side, (one,) in layout.grouped(names, layout.side_of_file).items()}
    sides = layout.chosen(read, lambda part: part.given.known)
    left = {Path(part.where).name: len(part.series) for side, part in read.items() if side not in sides.values()}
    called = {part: Path(read[side].where).name for part, side in sides.items()}
    return Sides({part: read[side] for part, side in sides.items()}, called, left)


def of_texts(
    root: Path, paths: Sequence[str], channels: tuple[str, ...], label: str | None, progress: Progress
) -> Sides[Part]:
    """Return the parts of text files with one series each; `data.layout` says which folders are parts and classes.

    Without folders of classes, a column of labels with one value in each file names the class.
    """
    read: list[delimited.Table | str] = []
    for done, path in enumerate(paths):
        try:
            read.append(delimited.read(root / path, channels, label))
        except delimited.Unreadable as unreadable:
            read.append(str(unreadable))
        progress(done + 1, len(paths))
    known = {row for row, one in enumerate(read) if isinstance(one, delimited.Table) and one.label is not None}
    named = layout.arrange(list(paths), root.resolve().name, known)
    by_column = bool(known) and (label is not None or not any(named.owners))
    usual = Counter(one.columns for one in read if isinstance(one, delimited.Table)).most_common(1)
    columns = usual[0][0] if usual else ()
    parts = {}
    for part, used in named.parts.items():
        series: list[NDArray[Any]] = []
        labels: list[str | None] = []
        names, skipped = list[str](), list[Skipped]()
        for row in used:
            found, name = read[row], shown(paths[row])
            if isinstance(found, delimited.Table) and sorted(found.columns) == sorted(columns):
                order = [found.columns.index(one) for one in columns] if columns else slice(None)
                series.append(found.series[order])
                labels.append(found.label if by_column else named.owners[row])
                names.append(name)
            else:
                reason = _other(found, columns) if isinstance(found, delimited.Table) else found
                skipped.append({"path": name, "reason": reason})
        owners = None if not any(labels) else sorted({one for one in labels if one is not None})
        given = Given(labels if owners else None, len(series), () if by_column or not owners else owners)
        where, options = shown(str(root)), frozenset(("channels", "label_column"))
        parts[part] = Part(series, given, where, names, skipped=skipped, label=label, options=options)
    varying = any(isinstance(one, delimited.Table) and one.varies for one in read)
    notes = [NO_CLASSES + named.why] if named.why and not by_column else []
    notes += ["a column of labels that change within a series is left out"] if varying else []
    return Sides(parts, named.called, dict(named.aside), notes)


def _other(found: delimited.Table, columns: tuple[str, ...]) -> str:
    mine = ", ".join(found.columns[:5]) or f"{len(found.series)} columns without names"
    return f"its columns are {mine}, not {', '.join(columns[:5]) or 'without names'} as in most"
