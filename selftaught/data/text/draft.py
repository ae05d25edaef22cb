"""A corpus under construction. Words are numbered by first occurrence; large arrays move from memory to disk."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import cache, told
from selftaught.data.labels import Given, decide
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.parts.tokens import Way
from selftaught.source import Index, Skipped

IN_MEMORY = 8 << 20  # bytes per array that are kept in memory
TOGETHER = 1 << 17  # numbers that are read back together


@final
class Spool:
    """Numbers of one type that are written once, block by block, and then read from the start."""

    def __init__(self, kind: type[np.signedinteger[Any]]) -> None:
        self._kind = np.dtype(kind)
        folder = str(cache.make(cache.folder() / "corpora"))
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=folder)  # noqa: SIM115
        self.size = 0

    def write(self, numbers: NDArray[Any]) -> None:
        """Append. Raises OSError if the disk is full."""
        self._file.write(np.ascontiguousarray(numbers, self._kind).tobytes())
        self.size += len(numbers)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield all numbers, in blocks that may be modified."""
        self._file.seek(0)
        while data := self._file.read(TOGETHER * self._kind.itemsize):
            yield np.frombuffer(bytearray(data), self._kind)

    def close(self) -> None:
        """Free the memory or the file."""
        self._file.close()


def refused(column: str, why: str, where: str) -> str:
    """Return the note on a column that has no classes. Raises UserError instead if `where` says who asked for it."""
    if where:
        raise UserError(f"{where}: {told.labels_called(column)}: {why}")
    return told.refused(column, why)


@final
class Draft:
    """The text that readers fill in and `kept` writes.

    Attributes:
        ids: The numbers of the words, by first occurrence, int32.
        sentences: The end of each sentence in `ids`, int64.
        documents: The end of each document in the sentences.
        words: UTF-8 of all words, by first occurrence, uint8.
        ends: The start and end positions of words in `words`, int64 [V + 1].
        counts: How often each word occurs, int64 [V].
        final: If several numbers in `ids` are of one word: the word of each number, int32.
        digests: 32 bytes per document: SHA-256 of its content.
        labels: One per document, or none at all.
        classes: Names of the classes, if they are known before reading.
        skipped: What was skipped, with reasons.
        notes: What there is to say, see `Source.notes`.
        column: The field of the labels, where they have one.
        asked: Whether the user named it.
        groups: One number per document: that of the first document of its group.
        tokens: How the text is split, if the text itself decides it.
    """

    def __init__(self) -> None:
        self.ids, self.sentences = Spool(np.int32), Spool(np.int64)
        self.documents = array("q")
        self.words = np.empty(0, np.uint8)
        self.ends = np.zeros(1, np.int64)
        self.counts = np.empty(0, np.int64)
        self.final: NDArray[np.int32] | None = None
        self.digests = bytearray()
        self.labels: list[Any] = []
        self.classes: tuple[str, ...] = ()
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []
        self.column, self.asked = "", False
        self.groups = array("q")
        self.tokens: Way | None = None
        self._first: dict[str, int] = {}

    @property
    def grouped(self) -> bool:
        """Whether there are groups of more than one document."""
        return bool(self._first)

    def restart(self) -> None:
        """Forget everything."""
        self.__exit__()
        self.__init__()

    def add(self, digest: bytes, label: Any = None, group: str = "") -> None:
        """Add the properties of a document; its text comes separately, see `documents`."""
        self.digests += digest
        self.labels.append(label)
        self.groups.append(self._first.setdefault(group, len(self.groups)) if group else len(self.groups))

    def keep(self, corpus: Corpus, index: Index | None = None) -> None:
        """Copy the properties, not the text, of the documents `index` of another corpus (int64 [M]; by default all)."""
        groups = corpus.groups
        for i in range(len(corpus)) if index is None else index.tolist():
            self.add(corpus.digests[i].tobytes(), int(corpus.labels[i]), "" if groups is None else str(groups[i]))
        self.classes = corpus.classes

    def named(self, where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """Return (labels int64 [D], names of the classes); if they are no labels, a note is added.

        Raises UserError in that case if the user asked for them.
        """
        if all(label is None for label in self.labels):
            return np.full(len(self.documents), -1, np.int64), self.classes
        decided = decide([Given(self.labels, len(self.documents), self.classes)], ids=True)
        if decided.why:
            self.notes.append(refused(self.column, decided.why, where if self.asked else ""))
        return decided.labels[0], decided.classes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ids.close()
        self.sentences.close()
