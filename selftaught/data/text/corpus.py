"""A text as integers, which all methods for words and language read."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import eq
from typing import Any, final, overload

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels.scan import gather
from selftaught.parts.tokens import Form, Tokens, Way, joined, tokenise
from selftaught.source import Index, Labels, Source, checked, digest_of


@final
class Words(Sequence[str]):
    """Words kept as the bytes of a file, each decoded on demand.

    Args:
        data: UTF-8 of all words, concatenated, uint8.
        ends: The end of each word in `data`, int64 [V].
    """

    def __init__(self, data: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self.data, self.ends = data, ends

    @classmethod
    def of(cls, words: Sequence[str]) -> Words:
        """Make it from strings."""
        parts = [word.encode() for word in words]
        return cls(np.frombuffer(b"".join(parts), np.uint8), np.cumsum([len(part) for part in parts], dtype=np.int64))

    def taken(self, order: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return (the bytes of the words `order`, int64 [M]; their start and end positions, int64 [M + 1])."""
        begins = np.concatenate([np.zeros(1, np.int64), self.ends])
        ends = np.zeros(len(order) + 1, np.int64)
        np.cumsum((begins[1:] - begins[:-1])[order], out=ends[1:])
        data = np.empty(int(ends[-1]), np.uint8)
        gather(self.data, begins, order, data, ends[1:])
        return data, ends

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        begin = int(self.ends[row - 1]) if row else 0
        return bytes(self.data[begin : int(self.ends[row])]).decode()

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))


@final
class Corpus(Source):
    """Documents of sentences of tokens, as integers that may be on disk. Obeys `Source`: a sample is a document.

    >>> corpus = Corpus.of(["the cat sat\\nthe dog sat", "a bird sang"])
    >>> len(corpus), list(corpus.words)[:2], corpus.size(2)
    (2, ['the', 'sat'], 2)
    >>> corpus.text(1)
    'a bird sang'

    Tokens are numbered by decreasing frequency (ties: by first occurrence). So a minimum count is only a bound on the
    ids: rarer words have the ids from `size(min_count)` on.

    Args:
        ids: int32 [N], the tokens of the whole text.
        sentences: int64 [S + 1], the start of each sentence in `ids`, and the end.
        documents: int64 [D + 1], the start of each document in `sentences`, and the end.
        words: The V distinct tokens, most frequent first.
        counts: int64 [V], decreasing.
        tokens: How text was split, see `parts/tokens`.
        lower: Whether it was lower-cased.
        form: The normal form of its tokens, see `parts.tokens.finished`.
        labels: int64 [D], -1 = unknown.
        classes: Names of the classes.
        fingerprint: A digest of the content and the way it was split; by default computed from the arrays.
        skipped: What could not be read, each as ``{"path": ..., "reason": ...}``.
        groups: int64 [D]: documents of one group stay on one side of a split; None = each is its own group.
        digests: uint8 [D, 32]: SHA-256 of the content of each document; by default computed from its tokens on demand.
    """

    samples = "documents"

    def __init__(
        self,
        ids: NDArray[np.int32],
        sentences: NDArray[np.int64],
        documents: NDArray[np.int64],
        words: Sequence[str],
        counts: NDArray[np.int64],
        *,
        tokens: Way = "words",
        lower: bool = True,
        form: Form = "nfc",
        labels: Labels | None = None,
        classes: tuple[str, ...] = (),
        fingerprint: str | None = None,
        skipped: Sequence[dict[str, str]] = (),
        groups: NDArray[np.int64] | None = None,
        digests: NDArray[np.uint8] | None = None,
    ) -> None:
        self.ids, self.sentences, self.documents, self.words, self.counts = ids, sentences, documents, words, counts
        self.tokens, self.lower, self.form, self.classes, self._groups = tokens, lower, form, classes, groups
        self.skipped = list(skipped)
        self._whole: Corpus = self
        self._labels = np.full(len(documents) - 1, -1, np.int64) if labels is None else np.asarray(labels, np.int64)
        self._fingerprint = fingerprint
        self._digests = digests
        self.called: Callable[[Index], list[str]] | None = None
        """Names the documents at some positions, if they were read from somewhere."""

    @classmethod
    def of(
        cls,
        documents: Sequence[str | Sequence[str]] | Sequence[Sequence[Sequence[str]]],
        labels: Sequence[int] | None = None,
        *,
        tokens: Tokens = "whitespace",
        lower: bool = False,
        classes: tuple[str, ...] = (),
    ) -> Corpus:
        """Make a corpus from text in memory.

        Each document is a string (one sentence per line; one in all if `tokens` is exact), a list of tokens, or a list
        of sentences of tokens.

        >>> Corpus.of(["One sentence.\\nAnother one.", "a second document"]).sentences
        array([0, 2, 4, 7])

        Raises UserError if there are no tokens.
        """
        split: list[list[list[str]]] = []
        for document in documents:
            if isinstance(document, str):
                parts = [document] if tokens == "exact" else document.splitlines()
                lines = [tokenise(part, tokens, lower) for part in parts]
            elif document and not isinstance(document[0], str):
                lines = [list(sentence) for sentence in document]
            else:
                lines = [[str(token) for token in document]]
            split.append([line for line in lines if line])
        seen: dict[str, int] = {}
        flat = [seen.setdefault(token, len(seen)) for lines in split for line in lines for token in line]
        if not flat:
            raise UserError("the text is empty: it has no words")
        first = np.asarray(flat, np.int64)
        counts = np.bincount(first)
        order = np.argsort(-counts, kind="stable")
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        names = list(seen)
        lengths = [len(line) for lines in split for line in lines]
        return cls(
            rank[first],
            np.cumsum([0, *lengths], dtype=np.int64),
            np.cumsum([0, *map(len, split)], dtype=np.int64),
            Words.of([names[i] for i in order]),
            counts[order].astype(np.int64),
            tokens=tokens,
            lower=lower,
            classes=classes,
            labels=None if labels is None else np.asarray(labels, np.int64),
        )

    def __len__(self) -> int:
        return len(self.documents) - 1

    def fetch(self, index: Index) -> dict[str, Any]:
        """Return ``{"text": [str] * B, "label": int64 [B], "index": int64 [B]}``.

        Tokens are joined by spaces, sentences by newlines.
        """
        index = checked(index, len(self))
        return {"text": [self.text(int(i)) for i in index], "label": self._labels[index], "index": index}

    def text(self, document: int) -> str:
        """Return one document: tokens joined by spaces (byte pairs joined to words), sentences by newlines."""
        lines = range(int(self.documents[document]), int(self.documents[document + 1]))
        found = (self.ids[self.sentences[line] : self.sentences[line + 1]] for line in lines)
        return "\n".join(joined([self.words[int(i)] for i in ids], self.tokens) for ids in found)

    def names(self, index: Index) -> list[str]:
        """Return the paths of text files, or "record N"."""
        index = checked(index, len(self))
        return super().names(index) if self.called is None else self.called(index)

    @property
    def whole(self) -> Corpus:
        """The same text with the labels hidden from training (see `data/hidden`); itself if none are hidden."""
        return self._whole

    @property
    def groups(self) -> Labels | None:
        """int64 [D]: documents of one group stay on one side of a split; None = each is its own group."""
        return self._groups

    def relabelled(self, labels: Labels) -> Corpus:
        """Return the same text with these labels, int64 [D]; its `whole` still has the original ones."""
        made = self.with_labels(labels, self.classes)
        made._whole = self.whole
        return made

    def with_labels(self, labels: Labels, classes: tuple[str, ...]) -> Corpus:
        """Return the same text with other labels, int64 [D], and their names."""
        made = Corpus(
            self.ids,
            self.sentences,
            self.documents,
            self.words,
            self.counts,
            tokens=self.tokens,
            lower=self.lower,
            form=self.form,
            labels=labels,
            classes=classes,
            fingerprint=digest_of(self.fingerprint, labels.tobytes(), *classes),
            skipped=self.skipped,
            groups=self.groups,
            digests=self._digests,
        )
        made.notes, made.called = self.notes, self.called
        return made

    @property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [D, 32]: SHA-256 of the content of each document. Equal digests are exact duplicates."""
        if self._digests is None:
            rows = b"".join(hashlib.sha256(self.text(i).encode()).digest() for i in range(len(self)))
            self._digests = np.frombuffer(rows, np.uint8).reshape(-1, 32)
        return self._digests

    def size(self, min_count: int) -> int:
        """Return how many words occur at least `min_count` times. They have the ids below this number."""
        return int(np.searchsorted(-self.counts, -min_count, side="right"))

    def input(self, min_count: int = 1) -> dict[str, Any]:
        """Return the input of an encoder: how to split text, and the words with at least `min_count` occurrences."""
        size = self.size(min_count)
        return self.whole_input() | {
            "words": list(self.words[:size]),
            "counts": [int(count) for count in self.counts[:size]],
        }

    def whole_input(self) -> dict[str, Any]:
        """Return `input` with all words, decoded only when an encoder takes the frequent ones.

        There can be very many.
        """
        return {"kind": "text", **self.split, "words": self.words, "counts": self.counts}

    @property
    def split(self) -> dict[str, Any]:
        """How the text is split: "tokens", "lower" and "form"."""
        tokens = dict(self.tokens) if isinstance(self.tokens, Mapping) else self.tokens
        return {"tokens": tokens, "lower": self.lower, "form": self.form}

    def release(self, first: int, last: int) -> None:
        """Tell the system that the tokens first .. last of `ids` need not stay in memory, if they are in a file.

        They are read from the file again on demand.
        """
        mapped = self._mapped()
        if mapped is None:
            return
        at = self.ids.ctypes.data - np.frombuffer(mapped, np.uint8, 1).ctypes.data  # of ids in the file
        begin, end = (-(-(at + self.ids.itemsize * i) // mmap.PAGESIZE) * mmap.PAGESIZE for i in (first, last))
        if end > begin:
            mapped.madvise(mmap.MADV_DONTNEED, begin, min(end, len(mapped)) - begin)

    def release_all(self) -> None:
        """As `release`, for the whole text, including words and sentences."""
        mapped = self._mapped()
        if mapped is not None:
            mapped.madvise(mmap.MADV_DONTNEED)

    def _mapped(self) -> mmap.mmap | None:
        """The memory-mapped file, if the system can be told what to do with its pages."""
        array: Any = self.ids
        while isinstance(array, np.ndarray):
            array = array.base
        if isinstance(array, memoryview):
            array = array.obj
        return array if isinstance(array, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None

    @property
    def labels(self) -> Labels:
        """int64 [D], -1 = unknown."""
        return self._labels

    @property
    def fingerprint(self) -> str:
        """A short digest of the tokens, their borders and the labels."""
        if self._fingerprint is None:
            arrays = (self.ids, self.sentences, self.documents, self.labels)
            self._fingerprint = digest_of(*(np.ascontiguousarray(a).tobytes() for a in arrays), "\n".join(self.words))
        return self._fingerprint


def counted_in(source: Source, words: Sequence[str], method: str) -> Corpus:
    """Return `source`, the corpus whose most frequent words, in their order, are `words`.

    Raises UserError, naming the method, for any other source.
    """
    if isinstance(source, Corpus) and len(words) <= len(source.words) and all(map(eq, words, source.words)):
        return source
    raise UserError(
        f"{method} must train on the text whose words its encoder has: build the encoder from corpus.input()"
    )
