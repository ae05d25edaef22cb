"""The named data sets.

A data set is found by its path. Every file of ``data/sets/`` declares the names of its sets (``NAMES``) and their kind
(``KIND``) as literals, and `SETS`, which opens each name. Listing the names reads the text of the files and imports
none of them.
"""

from __future__ import annotations

import os
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
    """The description of a data set of any kind. The `open` of its kind knows how to open it."""

    @property
    def ENTRY(self) -> Entry:
        """What the catalog shows about it."""

    @property
    def parts(self) -> Sequence[Split]:
        """The published parts: "train" and "test", or "all"."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The options to read it with, where they differ from the defaults of the kind."""

    def cached(self) -> bool:
        """Return whether nothing has to be downloaded."""


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
    """Return the kind of every name."""
    return {name: kind for name, (_, kind) in _files().items()}


def located(name: str) -> tuple[Path, bool]:
    """Return where the file or folder `name` is, and whether it is a folder.

    Raises UserError if it cannot be looked at, is neither, or is not there: then the names of data sets are said too.
    """
    try:
        path = errors.expanded(name)
        is_folder, is_file, exists = path.is_dir(), path.is_file(), path.exists()
    except OSError as error:  # no permission, a name that is too long, or an unknown user
        raise errors.UserError(f"{name}: cannot be read: {error.strerror or error}") from None
    if is_folder or is_file:
        return path, is_folder
    if exists:
        raise errors.UserError(f"{path}: neither a file nor a folder")
    if os.sep in name or path.suffix:
        known = ", ".join(sorted(listed()))
        raise errors.UserError(f"{path}: there is no such file or folder (known data sets are: {known})")
    raise errors.unknown("data", name, listed())


def get(name: str) -> Listed:
    """Return the data set called `name`. Raises UserError, with a suggestion, if there is none."""
    if name not in _files():
        raise errors.unknown("data", name, _files())
    module = import_module(f"selftaught.data.sets.{_files()[name][0]}")
    return cast(Listed, module.SETS[name])


def fetching(name: Any) -> str | None:
    """Return the message to show before a data set of the catalog is downloaded, or nothing if it is already here."""
    if isinstance(name, str) and name in _files() and not get(name).cached():
        return f"downloading {name} into {cache.folder()} (only once)"
    return None


def folder_called(name: Any) -> str | None:
    """Return "folder" or "file" if there is one with the name of a data set of the catalog, which it yields to."""
    if not isinstance(name, str) or name not in _files() or not Path(name).exists():
        return None
    return "folder" if Path(name).is_dir() else "file"


def entries() -> list[Entry]:
    """Return all data sets of the catalog by kind and name; `cached` tells whether a set is already on this computer.

    Downloads nothing.
    """
    found = [replace(one.ENTRY, cached=one.cached()) for one in map(get, _files())]
    return sorted(found, key=lambda entry: (entry.kind, entry.name))


def describe(name: str, progress: Progress = silent) -> dict[str, Any]:
    """Describe the parts of `name`: "train" and "test" if it has both, else "all". Downloads the data set if necessary.

    For images: samples, size, channels, samples per class and fingerprint. For text: documents, sentences (lines),
    words, distinct words, the most frequent words, documents per class and fingerprint.
    """
    found = get(name)
    entry, kind = found.ENTRY, find(found.ENTRY.kind)
    reading = kind(**found.options)
    parts: dict[str, Any] = {part: kind.tell(reading.open(name, part, None, progress)) for part in found.parts}
    return {
        "name": entry.name, "kind": entry.kind, "what": entry.what, "size": entry.size, "classes": list(entry.classes),
        "licence": entry.licence, "origin": entry.origin, **parts,
    }  # fmt: skip
