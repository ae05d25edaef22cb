"""The data sets that are known by name.

A set is found by its path: every file of ``data/sets/`` says which names it holds (``NAMES``) and of which kind they
are (``KIND``), both literals, and holds `SETS`: what opens each name. Listing the names reads the files' text and
imports none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache as once
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from selftaught import errors
from selftaught.data import cache
from selftaught.data.entry import Entry
from selftaught.kind import Progress, Split, find, silent
from selftaught.parts.signature import constants


class Listed(Protocol):
    """What a set is, whatever its kind; its kind's `open` knows how to open it."""

    @property
    def ENTRY(self) -> Entry:
        """What the catalog tells about it."""

    @property
    def parts(self) -> Sequence[Split]:
        """The parts that it is published in: "train" and "test", or "all"."""

    @property
    def options(self) -> Mapping[str, Any]:
        """How it is meant to be read, where that is not the kind's default."""

    def cached(self) -> bool:
        """Whether nothing has to be fetched."""


@once
def _files() -> dict[str, tuple[str, str]]:
    """{name: (module, kind)}."""
    folders = import_module("selftaught.data.sets").__path__
    found = {}
    for path in sorted(path for folder in folders for path in Path(folder).glob("*.py")):
        declared = constants(path)
        for name in declared.get("NAMES", ()):
            found[name] = (path.stem, declared["KIND"])
    return found


def listed() -> Mapping[str, str]:
    """The kind of every name."""
    return {name: kind for name, (_, kind) in _files().items()}


def get(name: str) -> Listed:
    """The data set called `name`; raises UserError, with a suggestion, when there is none."""
    if name not in _files():
        raise errors.unknown("data", name, _files())
    module = import_module(f"selftaught.data.sets.{_files()[name][0]}")
    return cast(Listed, module.SETS[name])


def fetching(name: Any) -> str | None:
    """What to say before `name` is opened, if it is a data set of the catalog that is not on this computer yet."""
    if isinstance(name, str) and name in _files() and not get(name).cached():
        return f"downloading {name} into {cache.folder()} (only once)"
    return None


def entries() -> list[Entry]:
    """Every data set of the catalog by kind and name; `cached` says whether it is on this computer already.

    Fetches nothing.
    """
    found = [replace(one.ENTRY, cached=one.cached()) for one in map(get, _files())]
    return sorted(found, key=lambda entry: (entry.kind, entry.name))


def describe(name: str, progress: Progress = silent) -> dict[str, Any]:
    """Fetches `name` if it must be, and tells about its parts: "train" and "test" where it has both, else "all".

    Of images: samples, size, channels, samples a class and fingerprint. Of text: documents, sentences (lines), words,
    distinct words, the most frequent ones, documents a class and fingerprint.
    """
    found = get(name)
    entry, kind = found.ENTRY, find(found.ENTRY.kind)
    reading = kind(**found.options)
    parts: dict[str, Any] = {part: kind.tell(reading.open(name, part, None, progress)) for part in found.parts}
    return {
        "name": entry.name, "kind": entry.kind, "what": entry.what, "size": entry.size, "classes": list(entry.classes),
        "licence": entry.licence, "origin": entry.origin, **parts,
    }  # fmt: skip
