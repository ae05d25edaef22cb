"""Text before it is encoded: files or Python objects, the key of their content, and how they fill a draft."""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, Protocol, final

from selftaught.data.folders import shown
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
    limit: int | None = None
    progress: Progress = field(default=silent, compare=False)

    def key(self, *content: object) -> str:
        """Return the cache key of `content`, which includes the version of Python's Unicode tables."""
        how = (unicodedata.unidata_version, self.tokens, self.lower, self.errors, self.column, self.limit)
        content = content if self.label is None else (self.label, *content)
        return digest_of(repr(how), repr(content))


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

    def fill(self, draft: Draft, scanner: Scanner, how: How) -> None:
        """Encode the documents, up to the limit. Raises UserError for what cannot be read."""


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

        Moving or renaming files does not change it, unless their order changes.
        """
        return [
            (file.kind, file.path.suffix.lower(), file.label, digest)
            for file, digest in zip(self._files, self._digests, strict=True)
        ]

    def fill(self, draft: Draft, scanner: Scanner, how: How) -> None:
        """Make each text file a document (skipped if it has no words), and each record of the other files."""
        draft.skipped += self._skipped
        total = max(1, sum(file.size for file in self._files))
        done = 0
        for file, digest in zip(self._files, self._digests, strict=True):
            if len(draft.documents) == how.limit:
                return
            if file.kind == "text":
                _document(file, digest, draft, scanner, how, (done, total))
            else:
                read = records.lines if file.kind == "lines" else records.rows
                _batches(read(file.path, how.column, how.errors, how.label), draft, scanner, how)
            done += file.size
            how.progress(min(done, total), total)


def _document(file: File, digest: bytes, draft: Draft, scanner: Scanner, how: How, progress: tuple[int, int]) -> None:
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
    draft.add(digest, file.label)


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
        """Return a key of all texts, labels and groups, up to the limit."""
        whole = hashlib.sha256()
        for text, _, label, group, _ in islice(records.objects(self._data, how.column, how.label), how.limit):
            head = f"{len(text)} {label!r} {group!r}\n"
            whole.update(head.encode("utf-8", "surrogatepass"))
            whole.update(text.encode("utf-8", "surrogatepass"))
        return whole.hexdigest(), self.classes

    def fill(self, draft: Draft, scanner: Scanner, how: How) -> None:
        """Make each record a document."""
        _batches(records.objects(self._data, how.column, how.label), draft, scanner, how)


def _batches(found: Iterator[Record], draft: Draft, scanner: Scanner, how: How) -> None:
    draft.asked = how.label is not None
    if how.limit is not None:
        found = islice(found, how.limit - len(draft.documents))
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
