"""The data sets that are known by name."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any, Literal, Protocol, cast, get_args

from selftaught import errors
from selftaught.data import cache
from selftaught.data.entry import Entry
from selftaught.data.progress import Progress, silent
from selftaught.data.source import ImageSource

Side = Literal["train", "test"]

FILES = {"fashion-mnist": "fashion_mnist", "digits": "digits", "photos": "photos", "cifar10": "cifar10"}


class DataSet(Protocol):
    """What each file of `sets/` holds."""

    ENTRY: Entry

    def cached(self) -> bool:
        """Whether nothing has to be fetched."""

    def load(self, split: Side, progress: Progress = silent) -> ImageSource:
        """The training or the test part, fetched first if it must be."""


def find(name: str) -> DataSet:
    """The data set called `name`; raises UserError, with a suggestion, when there is none."""
    if name not in FILES:
        raise errors.unknown("data", name, FILES)
    return cast(DataSet, import_module(f"selftaught.data.sets.{FILES[name]}"))


def fetching(name: Any) -> str | None:
    """What to say before `name` is opened, if it is a data set of the catalog that is not on this computer yet."""
    if isinstance(name, str) and name in FILES and not find(name).cached():
        return f"fetching {name}, once, into {cache.folder()}"
    return None


def names() -> list[Entry]:
    """Every data set of the catalog; `cached` says whether it is on this computer already. Fetches nothing."""
    return [replace(found.ENTRY, cached=found.cached()) for found in map(find, FILES)]


def describe(name: str, progress: Progress = silent) -> dict[str, Any]:
    """Fetches `name` if it must be, and tells about its parts: samples, size, channels, classes, samples a class, fingerprint."""
    found = find(name)
    parts = {}
    for split in get_args(Side):
        source = found.load(split, progress)
        known = source.labels[source.labels >= 0]
        parts[split] = {
            "samples": len(source), "image_size": source.image_size, "channels": source.channels,
            "per_class": {c: int((known == i).sum()) for i, c in enumerate(source.classes)}, "fingerprint": source.fingerprint,
        }
    entry = found.ENTRY
    return {
        "name": entry.name, "what": entry.what, "size": entry.size, "classes": list(entry.classes), "licence": entry.licence,
        "origin": entry.origin, **parts,
    }
