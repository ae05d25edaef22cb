"""Open recordings of any supported form as a source."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final, get_args

import numpy as np

from selftaught import errors
from selftaught.data import catalog, layout
from selftaught.data import groups as grouping
from selftaught.data.audio import decode, kept
from selftaught.data.audio.audio_set import AudioSet
from selftaught.data.audio.source import Recordings
from selftaught.data.folders import files as below
from selftaught.data.folders import shown
from selftaught.data.joined import wanted
from selftaught.data.labels import Given, decide
from selftaught.data.subset import Draw
from selftaught.data.told import NO_CLASSES, Sides, refused
from selftaught.errors import UserError
from selftaught.kind import Progress, Split, describe
from selftaught.source import Index, Skipped, Source

HIGHEST = 16_000
"""The largest rate in Hz that is chosen by the data: what is above 8 kHz says little of speech."""
LONGEST = 4.0
"""Seconds that an encoder hears of a recording at most unless `seconds` is given."""


@final
@dataclass(frozen=True)
class How:
    """How all parts of a data set are opened: the options of the kind, see `Audio`, and what `Kind.open` is given."""

    rate: int | None
    seconds: float | None
    windows: bool
    groups: Any
    progress: Progress


@final
@dataclass(frozen=True)
class Part:
    """Recordings of one part, decoded.

    Args:
        found: The recordings of all parts.
        starts: Where each of this part begins in them, int64 [N].
        rows: The positions of this part in `found`, int64 [N].
        given: The labels as they were found.
        names: What the recordings are called.
    """

    found: kept.Decoded
    starts: Index
    rows: Index
    given: Given
    names: Sequence[str]


def open_recordings(data: Any, want: Draw, labels: Any, how: How) -> Source:
    """Open recordings as a source, see `Kind.open`. Raises UserError."""
    if want.side not in get_args(Split):
        raise errors.unknown("split", str(want.side), get_args(Split))
    if isinstance(data, Source):
        if how.groups is not None:
            raise UserError("a Source has its own groups: remove groups, or return them from its property 'groups'")
        return want.of(data)
    if isinstance(data, str | os.PathLike):
        if labels is not None:
            raise UserError(f"{data}: labels can be given only with arrays")
        where, rate, sides = _of_name(data, how)
    else:
        where, rate, sides = "array", *_of_arrays(data, labels, how)
    sources = _built(sides.parts, where, rate, how)
    if isinstance(data, str) and data in catalog.listed():
        for one in sources.values():
            one.traits = {**one.traits, **_said_of(data)}
    source = wanted(sources, want)
    source.notes = tuple(dict.fromkeys((*sides.told(want.side), *source.notes, *_lengths(sources, rate, how))))
    return source


def length_of(longest: int, rate: int, asked: float | None) -> int:
    """Return the samples of the encoder's input, of recordings of which the longest of the training part is known."""
    return round(asked * rate) if asked else min(longest, round(LONGEST * rate))


def _built(parts: Mapping[str, Part], where: str, rate: int, how: How) -> dict[str, Source]:
    decided = decide([part.given for part in parts.values()])
    notes = (refused(None, decided.why),) if decided.why else ()
    found: dict[str, Source] = {}
    for (name, part), labels in zip(parts.items(), decided.labels, strict=True):
        reasons = [part.found.reasons[row] for row in part.rows.tolist()]
        skipped: list[Skipped] = [
            {"path": one, "reason": reason} for one, reason in zip(part.names, reasons, strict=True) if reason
        ]
        good = np.flatnonzero([not reason for reason in reasons])
        if not len(good):
            why = f" ({skipped[0]['path']}: {skipped[0]['reason']})" if skipped else ""
            raise UserError(f"{where}: no recording in it can be used{why}")
        groups = None
        if how.groups is not None:
            groups = grouping.values(how.groups, len(part.rows), where, lambda part=part: list(part.names))  # type: ignore[misc]
            assert groups is not None
        recordings = Recordings(
            part.found.samples,
            part.starts[good],
            np.asarray(part.found.lengths, np.int64)[part.rows[good]],
            rate,
            labels[good],
            decided.classes,
            groups=None if groups is None else grouping.numbered([groups[i] for i in good.tolist()]),
            names=[part.names[i] for i in good.tolist()],
            skipped=skipped,
        )
        if how.windows:
            length = length_of(int(recordings.traits["longest"]), rate, how.seconds)
            recordings = recordings.windows(length, lambda wave: not decode.why_not(wave, rate))
        found[name] = recordings
        found[name].notes = notes
    return found


def _lengths(sources: Mapping[str, Source], rate: int, how: How) -> Iterator[str]:
    """Yield the note on recordings that are not of the length of the encoder's input, if there are, in any part."""
    spans = [(int(one.traits["shortest"]), int(one.traits["longest"])) for one in sources.values()]
    shortest, longest = min(one[0] for one in spans), max(one[1] for one in spans)
    length = length_of(spans[0][1], rate, how.seconds)  # the training part is the first
    told = [f"{value / rate:.3g}" for value in (shortest, longest, length)]
    if not shortest == longest == length:
        cut = f"longer ones are cropped to {told[2]} s" if longest > length else ""
        padded = f"shorter ones are padded to {told[2]} s, with a mask" if shortest < length else ""
        long = f"{told[0]} to {told[1]}" if shortest != longest else told[1]
        yield f"recordings are {long} s long: {' and '.join(filter(None, (padded, cut)))}"


def _of_name(data: str | os.PathLike[str], how: How) -> tuple[str, int, Sides[Part]]:
    if isinstance(data, str) and data in catalog.listed():
        listed = catalog.get(data)
        if not isinstance(listed, AudioSet):
            raise UserError(
                f"{data}: these are {describe(listed.ENTRY.kind).samples}, not recordings: 'selftaught data' lists "
                "sets of recordings"
            )
        root, parts = listed.files(how.progress)
        names = [name for one in parts.values() for name in one]
        found = layout.Layout(_rows(parts), dict.fromkeys(parts, ""), [listed.owner(name) for name in names], {})
        return (data, *_of_files(root, names, found, how))
    path, is_folder = catalog.located(os.fspath(data))
    if is_folder:
        names = below(path, (*decode.SUFFIXES, *decode.OTHERS))
        if not names:
            raise UserError(f"{shown(str(path))}: no recordings in this folder or below it (.wav, .flac, .ogg, .mp3)")
        return (shown(str(path)), *_of_files(path, names, layout.arrange(names, path.resolve().name), how))
    found = layout.Layout({"all": [0]}, {"all": ""}, [None], {})
    return (shown(str(path)), *_of_files(path.parent, [path.name], found, how))


def _said_of(name: str) -> dict[str, Any]:
    """Return what a set of the catalog says of its classes."""
    languages = getattr(catalog.get(name), "languages", {})
    return {"languages": languages} if languages else {}


def _rows(parts: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    found, start = {}, 0
    for part, names in parts.items():
        found[part] = list(range(start, start + len(names)))
        start += len(names)
    return found


def _of_files(root: Path, names: Sequence[str], found: layout.Layout, how: How) -> tuple[int, Sides[Part]]:
    """Return the rate of all recordings, and the parts of a data set."""
    used = sorted(row for rows in found.parts.values() for row in rows)
    headers = {row: _header(root / names[row]) for row in used}
    known = {row: one for row, one in headers.items() if one is not None}
    training = [known[row].rate for row in next(iter(found.parts.values())) if row in known]
    usual = Counter(training or [HIGHEST]).most_common()
    rate = how.rate or min(max(one for one, count in usual if count == usual[0][1]), HIGHEST)
    decoded = kept.decoded(root, [names[row] for row in used], rate, how.progress)
    place = {row: i for i, row in enumerate(used)}
    ends = np.cumsum(np.asarray(decoded.lengths, np.int64))
    starts = ends - np.asarray(decoded.lengths, np.int64)
    parts = {}
    for part, rows in found.parts.items():
        owners = [found.owners[row] for row in rows]
        classes = sorted({one for one in owners if one is not None})
        given = Given(owners if classes else None, len(rows), classes)
        at = np.array([place[row] for row in rows], np.int64)
        parts[part] = Part(decoded, starts[at], at, given, [shown(names[row]) for row in rows])
    notes = [NO_CLASSES + found.why] if found.why else []
    return rate, Sides(parts, found.called, dict(found.aside), [*notes, *_changed(known.values(), rate)])


def _header(path: Path) -> decode.Header | None:
    try:
        return decode.header(path)
    except decode.Unreadable:  # decoding says why
        return None


def _changed(headers: Any, rate: int) -> Iterator[str]:
    """Yield notes on what becomes of the channels and the rates of the files."""
    channels = Counter(one.channels for one in headers if one.channels > 1)
    rates = Counter(one.rate for one in headers if one.rate != rate)
    if channels:
        several = " or ".join(map(str, sorted(channels)))
        yield f"{sum(channels.values()):,} with {several} channels are mixed down to one"
    if rates:
        several = ", ".join(f"{one:,}" for one in sorted(rates)[:3]) + (", ..." if len(rates) > 3 else "")
        yield f"{sum(rates.values()):,} of {several} Hz are resampled to {rate:,} Hz"


def _of_arrays(data: Any, labels: Any, how: How) -> tuple[int, Sides[Part]]:
    """Return waves of one channel, float in [-1, 1] or int16, [N, T] or [T] each, as recordings."""
    if how.rate is None:
        raise UserError("waves in memory do not say their rate: give it with --data.rate, in Hz")
    if isinstance(data, tuple) and len(data) == 2 and labels is None and np.ndim(data[0]) != 1:
        data, labels = data
    try:
        waves = [np.asarray(one) for one in data]
    except TypeError:
        waves = []
    wrong = next((one for one in waves if one.ndim != 1 or (one.dtype != np.int16 and one.dtype.kind != "f")), None)
    if not waves or wrong is not None:
        what = f"type {type(data).__name__}" if wrong is None else f"{wrong.ndim} axes of {wrong.dtype}"
        raise UserError(f"data of {what} are no recordings: give a list of waves [T], float in [-1, 1] or int16")
    finite = [bool(np.isfinite(one).all()) for one in waves]
    whole = [
        (one if one.dtype == np.int16 else decode.as_integers(one)) if good else np.zeros(0, np.int16)
        for one, good in zip(waves, finite, strict=True)
    ]
    reasons = [
        decode.why_not(one, how.rate) if good else "samples that are not numbers"
        for one, good in zip(whole, finite, strict=True)
    ]
    lengths = np.array([len(one) for one in whole], np.int64)
    found = kept.Decoded(np.concatenate(whole), lengths.tolist(), reasons)
    given = Given(labels, len(whole))
    names = [f"recording {i}" for i in range(len(whole))]
    part = Part(found, np.cumsum(lengths) - lengths, np.arange(len(whole)), given, names)
    return how.rate, Sides({"all": part}, {"all": ""})
