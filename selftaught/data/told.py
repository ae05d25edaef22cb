"""What a user is told about data that were opened, in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from selftaught.data import catalog
from selftaught.kind import Split
from selftaught.source import Source

NO_CLASSES = "no classes, because "
"""The start of the note on folders that are no classes."""
REFUSED = " not used: "
"""Within the note on labels that are no classes."""
NAMED = 5
"""Number of classes, folders or files that are named."""
OWN = "train and test are its own"
BY_CONTENT = "train and test are split 80/20 by content"


Part = TypeVar("Part")


@dataclass(frozen=True)
class Sides(Generic[Part]):
    """The parts of a data set, and what is said about them.

    Args:
        parts: Either "train" and "test", or "all".
        called: What each part is called in the data.
        aside: What is left aside, and how many samples are in it (None = unknown).
        notes: What else there is to say.
    """

    parts: Mapping[str, Part]
    called: Mapping[str, str] = field(default_factory=lambda: {"all": ""})
    aside: Mapping[str, int | None] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def told(self, split: Split) -> tuple[str, ...]:
        """Return the notes of a source that is the part `split`."""
        return (*division(split, self.called, self.aside), *self.notes)


def opening(given: Any, train: Source, test: Source | None = None, annotated: str = "") -> str:
    """Return the line that `pretrain` and `probe` begin with.

    >>> import numpy as np
    >>> from selftaught.data import open_source
    >>> images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    >>> opening(images, open_source(images, "train", labels=["cat", "dog"] * 5))
    '8 images, 2 classes (cat, dog); train and test are split 80/20 by content'

    Args:
        given: The data as the user gave them.
        train: What is trained on, or fitted.
        test: What is judged by.
        annotated: What is known of the samples, where that is not a class of each.
    """
    train = train.whole
    count = f"{len(train):,}" if test is None else f"{len(train):,} training and {len(test):,} test"
    both = [train] if test is None else [train, test]
    notes = dict.fromkeys(note for source in both for note in source.notes)
    said = [f"{count} {train.samples}, {annotated or _classes(train)}", *notes, *_skipped(both), *same_name(given)]
    return "; ".join(said)


def no_classes(source: Source) -> str:
    """Return why a source has no labels, in brackets, where that is known; else ""."""
    why = [note for note in source.notes if note.startswith(NO_CLASSES) or REFUSED in note]
    return f" ({'; '.join(why)})" if why else ""


def labels_called(column: str | None) -> str:
    """Return what labels are called: by their column, if they have one."""
    return f"the column '{column}'" if column else "the labels"


def refused(column: str | None, why: str) -> str:
    """Return the note on labels that are no classes, in a column if they have one."""
    return f"{labels_called(column)} {'is' if column else 'are'}{REFUSED}{why}"


def same_name(given: Any) -> list[str]:
    """Return a phrase if `given` is the name of a data set of the catalog and of a folder or file that is here too."""
    other = catalog.folder_called(given)
    return [] if other is None else [f"{given} is the data set of the catalog, and the {other} here is ./{given}"]


def division(split: Split, called: Mapping[str, str], aside: Mapping[str, int | None]) -> tuple[str, ...]:
    """Return notes on the parts of a data set, for `Source.notes`.

    Args:
        split: The part that was opened.
        called: What the parts "train" and "test", or "all", are called in the data; "" = they have no name.
        aside: What is left aside, and how many samples are in it (None = unknown).
    """
    notes = []
    if "all" not in called:
        named, whole = all(called.values()), split == "all"
        parts = " and ".join(called.values()) if whole else f"train is {called['train']}, test is {called['test']}"
        notes.append(("all of " if whole else "") + (parts if named else "its parts" if whole else OWN))
    elif split != "all":
        notes.append(BY_CONTENT + (f", from {called['all']}" if called["all"] else ""))
    elif called["all"]:
        notes.append(f"all of {called['all']}")
    if aside:
        notes.append(f"left aside: {_named(aside)}")
    return tuple(notes)


def _skipped(sources: Sequence[Source]) -> list[str]:
    """Return a phrase on what could not be read: once, although the parts of a data set may share it."""
    found = dict.fromkeys((one["path"], one["reason"]) for source in sources for one in source.skipped)
    counts = Counter(path for path, _ in found)
    named = _named({path: count if count > 1 else None for path, count in counts.items()})
    return [f"{len(found):,} skipped: {named}"] if found else []


def _named(counts: Mapping[str, int | None]) -> str:
    """Return the first names with their counts, and how many more there are."""
    counted = [name if count is None else f"{name} ({count:,})" for name, count in counts.items()]
    more = f" and {len(counted) - NAMED:,} more" if len(counted) > NAMED else ""
    return ", ".join(counted[:NAMED]) + more


def _classes(source: Source) -> str:
    labels = source.labels
    known = int((labels >= 0).sum())
    if not known:
        return "no labels"
    names = [str(name) for name in source.classes]
    said = f"{len(names):,} class{'es' * (len(names) != 1)}"
    if names:
        said += f" ({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''})"
    return said + (f", {len(labels) - known:,} without a label" if known < len(labels) else "")
