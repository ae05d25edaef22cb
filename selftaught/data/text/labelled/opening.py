"""Open labelled text: which files are which parts, and what is said about them."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from selftaught.data import labels, layout, told
from selftaught.data.groups import numbered
from selftaught.data.subset import Subset, split_index
from selftaught.data.text.files import ABOUT, suffix_of
from selftaught.data.text.labelled.example import Example, Labelled, Read, Texts, known, together
from selftaught.errors import UserError, expanded
from selftaught.source import Skipped, Source

Reading = Callable[[Path, str], Read]
"""Reads a file, given its path and what it is called in messages."""
Endings = Sequence[Sequence[str]]
"""Which files of a folder are read: the first of these groups of endings that occurs there."""
ALIASES = {r"testa\b": "dev", r"testb\b": "test", r"trial": "dev"}
"""What CoNLL and SemEval call the parts."""
_BOTH: tuple[Literal["train", "test"], ...] = ("train", "test")


def open_labelled(
    data: Any, endings: Endings, reading: Reading, samples: str, repeated: bool = False
) -> tuple[Source, Source, str]:
    """Return the training part, the test part and the name of the published form, "" for one's own.

    Names of files tell the parts, see docs/data.md; a test part without labels does not judge: validation does. A
    single file is split by content, 80/20, passages whole. Test samples that are in the training part too are left
    out; of the training part, samples without a label.

    Args:
        data: A file, a folder, or a pattern such as 'folder/esp.*'.
        endings: Which files of a folder are read.
        reading: Reads one file.
        samples: What several samples are called.
        repeated: Keep the test samples that are in the training part too.

    Raises UserError if there is nothing to read, or no part has labels.
    """
    files, beside = _files(data, endings)
    read, strange = _each(files, reading)
    used = {name for one in read.values() for name in one.used}
    beside = [name for name in beside if name not in used]
    sides, aside = _named(read)
    found = {side: _joined([read[name] for name in names]) for side, names in sides.items()}
    for side, one in found.items():
        if not any(map(known, one.examples)):
            where = ", ".join(sides[side])
            skipped = f" ({one.skipped[0]['path']}: {one.skipped[0]['reason']})" if one.skipped else ""
            raise UserError(f"{where}: no {samples} with labels{skipped}: name labelled data")
    found = {side: _labelled_alone(one) for side, one in found.items()}
    sources = dict(zip(found, _sources(list(found.values()), samples), strict=True))
    called = {side: ", ".join(names) for side, names in sides.items()}
    if "all" in sources:
        whole = sources["all"]
        parts: list[Source] = [Subset(whole, split_index(whole, side)) for side in _BOTH]
        called = {"all": ""}
    else:
        parts = [sources["train"], sources["test"] if repeated else _without(sources["test"], sources["train"])]
    for side, source in zip(_BOTH, parts, strict=True):
        own = found.get(side) or found["all"]
        more = () if side == "train" else (*source.notes, *_unseen(*parts))
        source.notes = (*told.division(side, called, dict.fromkeys([*aside, *beside])), *own.notes, *more)
        source.skipped = [*own.skipped, *strange]
    form = next(iter(found.values())).form
    return parts[0], parts[1], form


def open_asked(data: Any, endings: Endings, reading: Reading, samples: str, classes: Sequence[str]) -> Labelled:
    """Return all samples of a file or folder, labelled or not, for a trained method that knows `classes`.

    A label that is none of these is unknown. Raises UserError if there is nothing to read.
    """
    read, strange = _each(_files(data, endings)[0], reading)
    whole = _joined(list(read.values()))
    if not whole.examples:
        skipped = f" ({whole.skipped[0]['path']}: {whole.skipped[0]['reason']})" if whole.skipped else ""
        raise UserError(f"{data} has no {samples}{skipped}")
    number = {name: i for i, name in enumerate(classes)}
    answers = [number.get(str(one.answer), -1) if isinstance(one, Texts) else -1 for one in whole.examples]
    source = Labelled(whole.examples, np.array(answers, np.int64), classes, samples)
    source.skipped, source.notes = [*whole.skipped, *strange], whole.notes
    return source


def _files(data: Any, endings: Endings) -> tuple[dict[str, Path], list[str]]:
    """Return the files by name, and what else there is: of a folder, those nearest to it are read."""
    kinds = ", ".join(f"*{one}" for group in endings for one in group if one)
    if not isinstance(data, str | Path):
        raise UserError(f"labelled text is read from files ({kinds}), not from data of type {type(data).__name__}")
    if str(data) == "-":
        raise UserError(f"labelled text is read from files, not from standard input: name a file ({kinds})")
    path = expanded(data)
    if path.is_file():
        return {path.name: path}, []
    if path.is_dir():
        inside = [one.relative_to(path) for one in sorted(path.rglob("*")) if one.is_file()]
        inside = [one for one in inside if not ABOUT.match(one.name) and not one.name.startswith(".")]
        for group in endings:
            possible = [one for one in inside if suffix_of(one) in group]
            near = min((len(one.parts) for one in possible), default=0)
            if used := [one for one in possible if len(one.parts) == near]:
                beside = dict.fromkeys(one.parts[0] for one in inside if one not in used)
                return {one.as_posix(): path / one for one in used}, list(beside)
        raise UserError(f"{path}: there are no files of labelled text in this folder ({kinds})")
    matching = [Path(one) for one in sorted(glob.glob(str(path))) if Path(one).is_file()]
    if not matching:
        raise UserError(f"{path}: there is no such file or folder: name a file ({kinds}), a folder or a pattern")
    return {one.name: one for one in matching}, []


def _each(files: Mapping[str, Path], reading: Reading) -> tuple[dict[str, Read], list[Skipped]]:
    """Return what was read of each file, and those of another form, which are skipped beside others.

    Raises UserError if none can be read.
    """
    read, errors = dict[str, Read](), dict[str, UserError]()
    for name, path in files.items():
        try:
            read[name] = reading(path, name)
        except UserError as error:
            errors[name] = error
    if not read:
        raise next(iter(errors.values()))
    return read, [{"path": name, "reason": str(error)} for name, error in errors.items()]


def _named(read: Mapping[str, Read]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the names of the files of "train" and "test", or of "all", and those left aside."""
    by: dict[str, str] = {}
    for name in read:
        spelt = name
        for pattern, word in ALIASES.items():
            spelt = re.sub(pattern, word, spelt, flags=re.IGNORECASE)
        by[name if spelt in by else spelt] = name
    parts, aside = layout.named(list(by), lambda names: any(_any(read[by[name]].examples) for name in names))
    return {side: [by[name] for name in names] for side, names in parts.items()}, [by[name] for name in aside]


def _any(examples: Sequence[Example]) -> bool:
    return any(map(known, examples))


def _joined(read: Sequence[Read]) -> Read:
    return Read(
        [one for part in read for one in part.examples],
        [one for part in read for one in part.skipped],
        [one for part in read for one in part.notes],
        read[0].form,
        [one for part in read for one in part.used],
    )


def _labelled_alone(read: Read) -> Read:
    kept = [one for one in read.examples if known(one)]
    if len(kept) < len(read.examples):
        read.notes.append(f"{len(read.examples) - len(kept):,} without a label left out")
    return Read(kept, read.skipped, read.notes, read.form, read.used)


def _sources(read: Sequence[Read], samples: str) -> list[Labelled]:
    """Return the parts with their labels numbered alike."""
    answers = [[one.answer if isinstance(one, Texts) else None for one in part.examples] for part in read]
    names: tuple[str, ...] = ()
    numbers = [np.zeros(len(part.examples), np.int64) for part in read]
    if any(isinstance(answer, str) for part in answers for answer in part):
        names = tuple(labels.ordered({str(answer) for part in answers for answer in part}))
        row = {name: i for i, name in enumerate(names)}
        numbers = [np.array([row[str(answer)] for answer in part], np.int64) for part in answers]
    return [
        Labelled(part.examples, number, names, samples, _groups(part.examples))
        for part, number in zip(read, numbers, strict=True)
    ]


def _groups(examples: Sequence[Example]) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    """Return which samples belong together, int64 [N]: those about the same passage, for one. None if none do."""
    found = [together(one) for one in examples]
    return numbered([one or "" for one in found]) if any(one is not None for one in found) else None


def _without(test: Labelled, train: Labelled) -> Source:
    """Return the test samples that are not in the training part too. Raises UserError if there are none."""
    there, asked = (np.ascontiguousarray(source.digests).view("V32").reshape(-1) for source in (train, test))
    new = np.flatnonzero(~np.isin(asked, there))
    if len(new) == 0:
        raise UserError("every test sample also occurs in the training data: name other data")
    if len(new) == len(test):
        return test
    left = Subset(test, new)
    left.notes = (
        f"{len(test) - len(new):,} test {test.samples} that are in training too left out (--repeated keeps them)",
    )
    return left


def _unseen(train: Source, test: Source) -> list[str]:
    """Return a phrase on test samples whose label no training sample has."""
    new = ~np.isin(test.labels, train.labels)
    if not new.any():
        return []
    names = [test.classes[label] for label in np.unique(test.labels[new])]
    return [
        f"{int(new.sum()):,} test {test.samples} of classes unseen in training ({', '.join(names[:5])}) count as wrong"
    ]
