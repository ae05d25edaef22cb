"""Text before it is encoded: files or Python objects, the key of their content, and how they fill a draft."""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import groups
from selftaught.data.folders import shown
from selftaught.data.text import careful, delimited, records
from selftaught.data.text import files as reading
from selftaught.data.text.draft import Draft
from selftaught.data.text.files import File, How, NotText
from selftaught.data.text.records import Bad, Record
from selftaught.data.text.scanner import Scanner
from selftaught.errors import UserError
from selftaught.kernels.scan import BORDER
from selftaught.source import Skipped

LOOKED_AT = 20  # records that tell whether a file has labels
GIVE_UP = 1000  # records without a good one after which a file is refused
BATCH = 1 << 19  # bytes of records that are scanned together
END = bytes([BORDER])


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

    def __init__(self, found: Sequence[File], where: str) -> None:
        self.where = where
        self._files, self._skipped, self._strict = list(found), list[Skipped](), False
        self._faults: dict[File, str] = {}

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
        """The SHA-256 of each file. Of several, those that cannot be opened are skipped."""
        digests = list[bytes]()
        for file in tuple(self._files):
            try:
                digests.append(file.digest())
            except NotText as error:
                if self._strict or len(self._files) == 1:
                    raise
                self._files.remove(file)
                self._skipped.append({"path": file.name, "reason": _reason(error, file)})
        return digests

    def key(self, how: How) -> object:
        """Return a key of the types, classes and content of the files, and of what cannot be opened.

        Moving or renaming files does not change it, unless their order or their groups change.
        """
        self._strict = how.errors == "strict"
        digests = self._digests
        return (
            self._skipped,
            [
                (file.kind, file.path.suffix.lower(), file.label, digest)
                for file, digest in zip(self._files, digests, strict=True)
            ],
            [] if how.groups is None else self._groups(how),
        )

    def _groups(self, how: How) -> list[str] | None:
        """The groups of the files, or of their records if they are in a file; None = a column, or none."""
        if how.groups is None:
            return None
        if not self.columns:
            return groups.values(how.groups, len(self._files), self.where, lambda: [file.name for file in self._files])
        if how.group is not None:
            return None
        return groups.values(how.groups, len(self.labels(how)), self.where)

    def _fault(self, file: File, how: How) -> str:
        """Return why nothing of a file can be read, or ""; found once."""
        if not how.careful:
            return ""
        if file not in self._faults:
            self._faults[file] = careful.whole_fault(file, how)
        return self._faults[file]

    def labels(self, how: How) -> list[Any]:
        """Return the folder of each text file, or the label of each record that can be read, for which all are read."""
        if not self.columns:
            return [file.label for file in self._files]
        how = replace(how, careful=how.errors != "strict")
        found = (one for file in self._files if not self._fault(file, how) for one in _read(file, how))
        return _labels(found, how)

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return the paths of text files, and "FILE: record N" of records, without those that cannot be read."""
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
        done, total = 0, max(1, sum(file.size for file in self._files))
        read = 0
        for i, (file, digest) in enumerate(zip(self._files, self._digests, strict=True)):
            if reason := self._fault(file, how):
                if len(self._files) == 1:
                    raise UserError(f"{shown(str(file.path))}: {reason}")
                draft.skipped.append({"path": file.name, "reason": reason})
            elif file.kind != "text":
                read += _batches(_read(file, how), draft, scanner, how, file.name, own, only, read)
            elif only is None or i in only:
                _document(file, digest, draft, scanner, how, (done, total), "" if own is None else own[i])
            done += file.size
            how.progress(min(done, total), total)


def _read(file: File, how: How) -> Iterator[Record | Bad]:
    read = {"lines": records.lines, "rows": _rows, "table": records.rows}[file.kind]
    return read(file.path, how)


def labelled(file: File, how: How) -> bool:
    """Return whether the first records of a file have labels; True where they cannot be read, so that reading tells."""
    if file.kind == "text":
        return True
    try:
        first = [one.label for one in islice(_read(file, how), LOOKED_AT) if isinstance(one, Record)]
    except UserError:
        return True
    return not first or any(label is not None for label in first)


def _rows(path: Path, how: How) -> Iterator[Record | Bad]:
    """Yield the rows of a .csv or .tsv file. Bytes that are not UTF-8 are passed on as lone surrogates."""
    columns = delimited.Columns(how.column, how.label, how.group)
    lines = (line.decode("utf-8", "surrogateescape") + "\n" for line in records.lines_of(path, how))
    text = (part for line in lines for part in io.StringIO(line, newline=""))  # old Macs end lines by "\r" alone
    return (row for _, row in delimited.rows(text, reading.ROWS[reading.suffix_of(path)], columns, shown(str(path))))


def _labels(found: Iterator[Record | Bad], how: How) -> list[Any]:
    return [one.label for one in found if isinstance(one, Record) and not isinstance(_bytes(one, how), Bad)]


def _reason(error: NotText, file: File) -> str:
    return str(error).removeprefix(f"{shown(str(file.path))}: ")


def _document(
    file: File, digest: bytes, draft: Draft, scanner: Scanner, how: How, progress: tuple[int, int], group: str
) -> None:
    before, (done, total) = draft.sentences.size, progress
    name = shown(str(file.path))

    def told(line: int, reason: str) -> None:
        draft.skipped.append({"path": file.name, "reason": f"line {line}: {reason}"})

    read = careful.kept(file.path, how, told) if how.careful else reading.blocks(file.path, how.errors, how.encoding)
    for block in read:
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
        whole, how = hashlib.sha256(), replace(how, careful=True)
        for record in records.objects(self._data, how):
            data = _bytes(record, how)
            if isinstance(data, Bad):
                whole.update(f"{data.reason}\n".encode("utf-8", "surrogatepass"))
                continue
            assert isinstance(record, Record)
            head = f"{len(data)} {record.column!r} {record.label!r} {record.group!r}\n"
            whole.update(head.encode("utf-8", "surrogatepass"))
            whole.update(data)
        return whole.hexdigest(), self.classes, self._groups(how)

    def _groups(self, how: How) -> list[str] | None:
        """The groups of the records, if they are given beside them."""
        if how.groups is None or how.group is not None:
            return None
        return groups.values(how.groups, len(self.labels(how)), self.where)

    def labels(self, how: How) -> list[Any]:
        """Return the label of each record that can be read."""
        how = replace(how, careful=how.errors != "strict")
        return _labels(records.objects(self._data, how), how)

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return "record N", without those that cannot be read."""
        return [f"record {position}" for position in positions]

    def places(self, digests: NDArray[np.uint8], only: Sequence[int] | None) -> list[int]:
        """See `Material.places`. Every record is a document."""
        return list(range(len(digests)) if only is None else only)

    def fill(self, draft: Draft, scanner: Scanner, how: How, only: frozenset[int] | None = None) -> None:
        """Make each record a document."""
        _batches(records.objects(self._data, how), draft, scanner, how, self.where, self._groups(how), only)


def _batches(
    found: Iterator[Record | Bad],
    draft: Draft,
    scanner: Scanner,
    how: How,
    name: str,
    own: Sequence[str] | None,
    only: frozenset[int] | None,
    before: int = 0,
) -> int:
    """Make each record a document, or those at the positions `only`, of which `before` were in other files.

    The groups of the records are `own`, by position, if there are any, else those in the records. Records that cannot
    be read have no position. They are skipped, if there are others among the first ones.

    Returns the number of records that were read.
    """
    draft.asked = how.label is not None
    last = -1 if only is None else max(only, default=-1)
    parts, ends, places = list[bytes](), list[int](), list[str]()
    good, bad = 0, list[Bad]()

    def flush() -> None:
        scanner.feed(b"".join(parts), True, lambda _, at: places[bisect_right(ends, at)], records=True)
        for kept in (parts, ends, places):
            kept.clear()

    for record in found:
        if only is not None and before + good > last:
            break
        data = _bytes(record, how)
        if isinstance(data, Bad):
            bad.append(data)
            if how.errors == "strict" or (not good and len(bad) == GIVE_UP):
                raise UserError(f"{bad[0].where}: {bad[0].reason}")
            continue
        position = before + good
        good += 1
        if only is not None and position not in only:
            continue
        assert isinstance(record, Record)
        # a reading that is not careful may take too many for good; it fails, and another follows
        group = record.group if own is None else own[position] if position < len(own) else ""
        draft.add(hashlib.sha256(data).digest(), record.label, group)
        draft.column = draft.column or record.column
        parts.append(data + END)
        ends.append((ends[-1] if ends else 0) + len(parts[-1]))
        places.append(record.where)
        if ends[-1] >= BATCH:
            flush()
    if bad and not good:
        raise UserError(f"{bad[0].where}: {bad[0].reason}")
    if parts:
        flush()
    draft.skipped += [{"path": name, "reason": f"{one.where.rsplit(': ', 1)[-1]}: {one.reason}"} for one in bad]
    return good


def _bytes(record: Record | Bad, how: How) -> bytes | Bad:
    if isinstance(record, Bad):
        return record
    try:
        data = record.text.encode("utf-8", "replace" if how.errors == "replace" else "strict")
    except UnicodeEncodeError as error:
        found = error.object[error.start]
        escaped = "\udc80" <= found <= "\udcff"  # how `records.rows` passes on a byte that is not UTF-8
        what = f"not UTF-8 (byte {ord(found) - 0xDC00:02x})" if escaped else "half a character (a lone surrogate)"
        return Bad(record.where, f"{what}: name the --encoding, or replace it with --errors replace")
    reason = careful.fault(data, how) if how.careful else ""
    return Bad(record.where, reason) if reason else data
