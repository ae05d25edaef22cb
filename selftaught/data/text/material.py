"""Text before it is encoded: files or Python objects, the key of their content, and how they fill a draft."""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import groups
from selftaught.data.folders import shown
from selftaught.data.subset import Draw
from selftaught.data.text import files as reading
from selftaught.data.text import records
from selftaught.data.text.draft import Draft
from selftaught.data.text.files import Errors, File
from selftaught.data.text.records import Record
from selftaught.data.text.scanner import Scanner
from selftaught.errors import UserError
from selftaught.kernels.scan import BORDER
from selftaught.kind import Progress, silent
from selftaught.parts.tokens import Tokens
from selftaught.source import Skipped, digest_of

BATCH = 1 << 19  # bytes of records that are scanned together
END = bytes([BORDER])


@final
@dataclass(frozen=True)
class How:
    """The options of reading text, see `open_text`."""

    tokens: Tokens
    lower: bool
    errors: Errors
    column: str
    label: str | None = None
    draw: Draw = field(default_factory=Draw)
    groups: Any = None
    progress: Progress = field(default=silent, compare=False)

    def key(self, *content: object) -> str:
        """Return the cache key of `content`, which includes the version of Python's Unicode tables."""
        drawn = None if self.draw.limit is None else (self.draw.limit, self.draw.seed)
        how = (unicodedata.unidata_version, self.tokens, self.lower, self.errors, self.column, drawn)
        content = content if self.label is None else (self.label, *content)
        named = () if self.groups is None else (str(self.groups),)
        return digest_of(repr(how), repr(content), *named)


class Material(Protocol):
    """Text as the user gave it."""

    where: str
    """Its name in messages."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, if they are known before reading."""

    @property
    def split(self) -> bool:
        """Whether it is already split into tokens."""

    @property
    def columns(self) -> bool:
        """Whether it has fields to choose from."""

    def key(self, how: How) -> object:
        """Return the key of the content."""

    def labels(self, how: How) -> list[Any]:
        """Return the label of each document, as it stands there; None = unknown."""

    def fill(self, draft: Draft, scanner: Scanner, how: How, only: frozenset[int] | None = None) -> None:
        """Encode the documents, or those at the positions `only`. Raises UserError for what cannot be read."""

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return what the documents at `positions` are called."""

    def places(self, digests: NDArray[np.uint8], only: Sequence[int] | None) -> list[int]:
        """Return the positions of the documents in a corpus of all, or of `only` these.

        `digests`, uint8 [D, 32], are those of the documents of the corpus, and perhaps of others.
        """


@final
class Files:
    """Files, one after the other."""

    split = False

    def __init__(self, found: Sequence[File], where: str, skipped: Sequence[Skipped] = ()) -> None:
        self.where = where
        self._files, self._skipped = list(found), skipped

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the first-level folders, if they are the classes."""
        return tuple(sorted({file.label for file in self._files if file.label is not None}))

    @property
    def columns(self) -> bool:
        """Whether the files hold records."""
        return any(file.kind != "text" for file in self._files)

    @cached_property
    def _digests(self) -> list[bytes]:
        return [file.digest() for file in self._files]

    def key(self, how: How) -> object:
        """Return a key of the types, classes and content of the files.

        Moving or renaming files does not change it, unless their order or their groups change.
        """
        return [
            (file.kind, file.path.suffix.lower(), file.label, digest)
            for file, digest in zip(self._files, self._digests, strict=True)
        ] + ([] if how.groups is None else [self._groups(how)])

    def _groups(self, how: How) -> list[str] | None:
        """The groups of the files, or of their records if they are in a file; None = a column, or none."""
        if how.groups is None:
            return None
        if not self.columns:
            return groups.values(how.groups, len(self._files), self.where, lambda: [file.name for file in self._files])
        if groups.is_column(how.groups):
            return None
        return groups.values(how.groups, len(self.labels(replace(how, groups=None))), self.where)

    def _records(self, how: How) -> Iterator[Record]:
        column = str(how.groups) if groups.is_column(how.groups) else None
        done, total = 0, max(1, sum(file.size for file in self._files))
        for file in self._files:
            read = records.lines if file.kind == "lines" else records.rows
            yield from read(file.path, how.column, how.errors, how.label, column)
            done += file.size
            how.progress(min(done, total), total)

    def labels(self, how: How) -> list[Any]:
        """Return the folder of each text file, or the label of each record, for which all are read."""
        if self.columns:
            return [record.label for record in self._records(how)]
        return [file.label for file in self._files]

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return the paths of text files, and "FILE: record N" of records."""
        if self.columns:
            called = f"{self._files[0].name}: " if len(self._files) == 1 else ""
            return [f"{called}record {position}" for position in positions]
        return [self._files[position].name for position in positions]

    def places(self, digests: NDArray[np.uint8], only: Sequence[int] | None) -> list[int]:
        """See `Material.places`. Text files without words are no documents."""
        if self.columns:
            return list(range(len(digests)) if only is None else only)
        there = {row.tobytes() for row in digests}
        return [i for i in (range(len(self._files)) if only is None else only) if self._digests[i] in there]

    def fill(self, draft: Draft, scanner: Scanner, how: How, only: frozenset[int] | None = None) -> None:
        """Make each text file a document (skipped if it has no words), and each record of the other files."""
        draft.skipped += self._skipped
        own = self._groups(how)
        if self.columns:
            _batches(_grouped(self._records(how), own), draft, scanner, how, only)
            return
        total = max(1, sum(file.size for file in self._files))
        done = 0
        for i, (file, digest) in enumerate(zip(self._files, self._digests, strict=True)):
            if only is None or i in only:
                _document(file, digest, draft, scanner, how, (done, total), "" if own is None else own[i])
            done += file.size
            how.progress(min(done, total), total)


def _grouped(found: Iterator[Record], own: list[str] | None) -> Iterator[Record]:
    return found if own is None else (record._replace(group=one) for record, one in zip(found, own, strict=True))


def _document(
    file: File, digest: bytes, draft: Draft, scanner: Scanner, how: How, progress: tuple[int, int], group: str
) -> None:
    before, (done, total) = draft.sentences.size, progress
    name = shown(str(file.path))
    for block in reading.blocks(file.path, how.errors):
        scanner.feed(block, False, lambda line, _: f"{name}: line {line + 1}")
        done += len(block)
        how.progress(min(done, total), total)
    scanner.feed(b"", True, lambda line, _: f"{name}: line {line + 1}")
    if draft.sentences.size == before:
        draft.skipped.append({"path": file.name, "reason": "it has no words"})
        return
    scanner.end_document()
    draft.add(digest, file.label, group)


@final
class Objects:
    """Strings, lists of tokens, or mappings in any Python iterable, which is iterated over twice."""

    where = "data"
    columns = True

    def __init__(self, data: Iterable[Any], classes: Sequence[str] = ()) -> None:
        if iter(data) is data:
            kind = type(data).__name__
            raise UserError(
                f"data is a {kind}, which can be read only once: give a list, or an object that can be iterated "
                "repeatedly"
            )
        self._data = data
        self.classes = tuple(classes)
        self.split = isinstance(next(iter(data), None), list | tuple)

    def key(self, how: How) -> object:
        """Return a key of all texts, labels and groups."""
        whole = hashlib.sha256()
        for text, _, label, group, _ in self._records(how):
            head = f"{len(text)} {label!r} {group!r}\n"
            whole.update(head.encode("utf-8", "surrogatepass"))
            whole.update(text.encode("utf-8", "surrogatepass"))
        return whole.hexdigest(), self.classes

    def _records(self, how: How) -> Iterator[Record]:
        if how.groups is None or groups.is_column(how.groups):
            return records.objects(self._data, how.column, how.label, how.groups)
        own = groups.values(how.groups, sum(1 for _ in self._data), self.where)
        return _grouped(records.objects(self._data, how.column, how.label), own)

    def labels(self, how: How) -> list[Any]:
        """Return the label of each record."""
        return [record.label for record in self._records(how)]

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return "record N"."""
        return [f"record {position}" for position in positions]

    def places(self, digests: NDArray[np.uint8], only: Sequence[int] | None) -> list[int]:
        """See `Material.places`. Every record is a document."""
        return list(range(len(digests)) if only is None else only)

    def fill(self, draft: Draft, scanner: Scanner, how: How, only: frozenset[int] | None = None) -> None:
        """Make each record a document."""
        _batches(self._records(how), draft, scanner, how, only)


def _batches(found: Iterator[Record], draft: Draft, scanner: Scanner, how: How, only: frozenset[int] | None) -> None:
    draft.asked = how.label is not None
    if only is not None:
        found = (record for i, record in enumerate(found) if i in only)
    parts, ends, places = list[bytes](), list[int](), list[str]()

    def flush() -> None:
        scanner.feed(b"".join(parts), True, lambda _, at: places[bisect_right(ends, at)], records=True)
        for kept in (parts, ends, places):
            kept.clear()

    for record in found:
        data = _bytes(record, how.errors)
        draft.add(hashlib.sha256(data).digest(), record.label, record.group)
        draft.column = draft.column or record.column
        parts.append(data + END)
        ends.append((ends[-1] if ends else 0) + len(parts[-1]))
        places.append(record.where)
        if ends[-1] >= BATCH:
            flush()
    flush()


def _bytes(record: Record, errors: Errors) -> bytes:
    try:
        return record.text.encode("utf-8", "strict" if errors == "strict" else "replace")
    except UnicodeEncodeError:
        raise UserError(
            f"{record.where}: half a character (a lone surrogate): replace it with --data.errors replace"
        ) from None
