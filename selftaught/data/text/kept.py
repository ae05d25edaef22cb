"""Encoded corpora in the cache, one memory-mapped file each, complete or rebuilt.

A file has a header of 4,096 bytes, followed by the arrays, each at a multiple of 64 bytes. The header is a mark, a JSON
line (start, length and type of each array) and the SHA-256 of the arrays and that line. "about" is a JSON object as
bytes.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import cache
from selftaught.data.text.corpus import Corpus, Words
from selftaught.data.text.draft import Draft
from selftaught.errors import UserError
from selftaught.kernels import scan as kernel
from selftaught.source import digest_of

VERSION = 2
"""Raised when the same text is split in another way than before, or kept in another way."""
MARK = b"selftaught corpus 1\n"
HEADER, ALIGN = 4096, 64
TOGETHER = 1 << 20  # bytes that are checked together


def place(key: str) -> Path:
    """Return the path of the corpus called `key`."""
    return cache.folder() / "corpora" / f"{digest_of(str(VERSION), key)}.corpus"


def kept(key: str, where: str, split: Mapping[str, Any], fill: Callable[[Draft], None]) -> Corpus:
    """Return the corpus called `key`. If it is not complete in the cache, `fill` makes it from a draft first.

    `split` says how it is split: the "tokens", "lower" and "form" of `Corpus`, unless the draft knows it better.

    Raises UserError if there are no words, and cache.Unwritable if the cache has no space.
    """
    path = place(key)
    found = read(path)
    if found is None:
        with cache.replacing(path) as file, Draft() as draft:
            fill(draft)
            _write(file, draft, where, dict(split))
        found = read(path)
    if found is None:
        raise cache.Unwritable(f"{path}: differs from what was just written: check the disk")
    return found


@final
class _Arrays:
    """Arrays written one after the other, with a digest of all their bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._at = HEADER
        self._found: dict[str, tuple[int, int, str]] = {}
        file.write(bytes(HEADER))

    def add(self, name: str, kind: str, blocks: Iterable[NDArray[Any]]) -> None:
        """Append one array, block by block."""
        self._put(bytes(-self._at % ALIGN))
        begin = self._at
        for block in blocks:
            self._put(np.ascontiguousarray(block, kind).tobytes())
        self._found[name] = begin, (self._at - begin) // np.dtype(kind).itemsize, kind

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)
        self._at += len(data)

    def finish(self) -> None:
        """Write the header."""
        table = json.dumps(self._found).encode()
        self._digest.update(table)
        self._file.seek(0)
        self._file.write(MARK + table + b"\n" + self._digest.hexdigest().encode() + b"\n")


def _write(file: IO[bytes], draft: Draft, where: str, about: dict[str, Any]) -> None:
    if draft.ids.size == 0:
        raise UserError(f"{where}: the text is empty: it has no words")
    order = np.argsort(-draft.counts, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    words, ends = np.empty_like(draft.words), np.empty(len(order), np.int64)
    kernel.gather(draft.words, draft.ends, order, words, ends)
    if draft.final is not None:
        rank = rank[draft.final]
    labels, classes = draft.named(where)
    zero = np.zeros(1, np.int64)
    arrays = _Arrays(file)
    arrays.add("ids", "<i4", (_renumbered(block, rank) for block in draft.ids.blocks()))
    arrays.add("sentences", "<i8", (zero, *draft.sentences.blocks()))
    arrays.add("documents", "<i8", (zero, np.frombuffer(draft.documents, np.int64)))
    arrays.add("counts", "<i8", [draft.counts[order]])
    arrays.add("words", "|u1", [words])
    arrays.add("ends", "<i8", [ends])
    arrays.add("labels", "<i8", [labels])
    arrays.add("digests", "|u1", [np.frombuffer(bytes(draft.digests), np.uint8)])
    if draft.grouped:
        arrays.add("groups", "<i8", [np.frombuffer(draft.groups, np.int64)])
    if draft.tokens is not None:
        about["tokens"] = draft.tokens
    about |= {"classes": classes, "skipped": draft.skipped, "notes": draft.notes}
    arrays.add("about", "|u1", [np.frombuffer(json.dumps(about).encode(), np.uint8)])
    arrays.finish()


def _renumbered(ids: NDArray[np.int32], rank: NDArray[np.int32]) -> NDArray[np.int32]:
    kernel.renumber(ids, rank)
    return ids


def read(path: Path) -> Corpus | None:
    """Return the corpus in `path`, or None if it is absent, truncated or damaged. Checks every byte."""
    try:
        with path.open("rb") as file:
            mark, table, expected, _ = file.read(HEADER).split(b"\n", 3)
            digest = hashlib.sha256()
            while block := file.read(TOGETHER):
                digest.update(block)
            digest.update(table)
            if mark + b"\n" != MARK or digest.hexdigest().encode() != expected:
                return None
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        arrays = {
            name: np.frombuffer(whole, kind, count, begin) for name, (begin, count, kind) in json.loads(table).items()
        }
        about = json.loads(arrays["about"].tobytes())
        found = Corpus(
            arrays["ids"],
            arrays["sentences"],
            arrays["documents"],
            Words(arrays["words"], arrays["ends"]),
            arrays["counts"],
            tokens=about["tokens"],
            lower=about["lower"],
            form=about["form"],
            labels=arrays["labels"],
            classes=tuple(about["classes"]),
            skipped=about["skipped"],
            digests=arrays["digests"].reshape(-1, 32),
            groups=arrays.get("groups"),
            fingerprint=expected[:32].decode(),
        )
        found.notes = tuple(about.get("notes", ()))
        return found
    # possible errors with a damaged header
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
