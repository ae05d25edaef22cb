"""Run blocks of bytes through the compiled scanner into a draft, and enlarge its arrays when needed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import final

import numpy as np

from selftaught.data.text.draft import Draft
from selftaught.data.text.files import NUL, NotText, hexadecimal
from selftaught.data.text.tables import BY_TOKEN, tables
from selftaught.errors import UserError
from selftaught.kernels import scan as kernel
from selftaught.parts.tokens import Form, Tokens, finished

WORDS, ARENA = 1 << 14, 1 << 20  # initial capacity in words and bytes
MOST_WORDS = (1 << 31) - 1
TOGETHER = 1 << 16  # words that are finished together

Where = Callable[[int, int], str]
"""Names a position, from the number of newlines before it in this document or batch, and the bytes before it in this
block and the rest of the last one.
"""


@final
class Scanner:
    """Scans text and writes numbers to `draft`. It holds no text between documents.

    Args:
        draft: Receives ids, sentences and documents during the scan, and the words at `finish`.
        tokens: How text is split.
        lower: Whether it is lower-cased.
        form: The normal form of the words, see `parts.tokens.finished`.
    """

    def __init__(self, draft: Draft, tokens: Tokens, lower: bool, form: Form = "nfc") -> None:
        self._draft, self._lower, self._form = draft, lower, form
        self._kinds, self._folds = tables(tokens, lower)
        self._state = np.zeros(9, np.int64)
        self._slots = np.zeros(4 * WORDS, np.uint64)
        self._hashes = np.empty(WORDS, np.uint64)
        self._ends = np.zeros(WORDS + 1, np.int64)
        self._counts = np.empty(WORDS, np.int64)
        self._arena = np.empty(ARENA + kernel.LONGEST, np.uint8)
        self._ids = np.empty(0, np.int32)
        self._sentences = np.empty(0, np.int64)
        self._documents = np.empty(0, np.int64)
        self._left = b""

    def feed(self, block: bytes, last: bool, where: Where, records: bool = False) -> None:
        """Encode `block`, except for an incomplete end. Raises NotText if it is not text.

        Args:
            block: UTF-8.
            last: Whether the document (or the batch of records) ends with it.
            where: Names the position of an error.
            records: Whether the byte 0xFF ends a document; otherwise `end_document` does.
        """
        data = self._left + block
        text, state = np.frombuffer(data, np.uint8), self._state
        if len(text) > len(self._ids):
            self._ids = np.empty(len(text), np.int32)
            self._sentences = np.empty(len(text) + 1, np.int64)
            self._documents = np.empty(len(text), np.int64)
        state[kernel.AT] = 0
        why = kernel.FULL
        while why == kernel.FULL:
            why = self._scan(text, last, kernel.BORDER if records else kernel.NO_BORDER)
            if why == kernel.FULL:
                self._grow()
        at = int(state[kernel.AT])
        if why != kernel.DONE:
            raise NotText(f"{where(int(state[kernel.LINES]), at)}: {_fault(why, data, at)}")
        self._left = b"" if last else data[at:]
        if last:
            state[kernel.LINES] = 0

    def _scan(self, text: np.ndarray, last: bool, border: int) -> int:
        state = self._state
        state[kernel.TOKENS] = state[kernel.SENTENCES] = state[kernel.DOCUMENTS] = 0
        why = kernel.scan(
            text,
            len(text),
            last,
            border,
            self._kinds,
            self._folds,
            self._slots,
            self._hashes,
            self._ends,
            self._counts,
            self._arena,
            self._ids,
            self._sentences,
            self._documents,
            state,
        )
        self._draft.ids.write(self._ids[: state[kernel.TOKENS]])
        self._draft.sentences.write(self._sentences[: state[kernel.SENTENCES]])
        self._draft.documents.frombytes(self._documents[: state[kernel.DOCUMENTS]].tobytes())
        state[kernel.SEEN] += state[kernel.TOKENS]
        state[kernel.CLOSED] += state[kernel.SENTENCES]
        return int(why)

    def end_document(self) -> None:
        """End a document, which is everything fed since the last call."""
        self._draft.documents.append(int(self._state[kernel.CLOSED]))

    def _grow(self) -> None:
        words = int(self._state[kernel.WORDS])
        if words >= len(self._counts):
            room = min(2 * words, MOST_WORDS)
            if room == words:
                raise UserError(f"the text has more than {MOST_WORDS} different words: use another --tokens")
            self._hashes = _longer(self._hashes, room)
            self._counts = _longer(self._counts, room)
            self._ends = _longer(self._ends, room + 1)
            self._slots = np.zeros(4 * (1 << (room - 1).bit_length()), np.uint64)
            kernel.rehash(self._hashes, words, self._slots)
        if self._ends[words] > len(self._arena) - kernel.LONGEST - 8:
            self._arena = _longer(self._arena, 2 * len(self._arena))

    def finish(self) -> None:
        """Write the words to the draft, each in its final form. Words with the same final form become one."""
        raw = int(self._state[kernel.WORDS])
        final = np.arange(raw)
        for word, form in self._unfinished(raw):
            final[word] = self._enter(form)
        words = int(self._state[kernel.WORDS])
        if words == raw and (final == np.arange(raw)).all():
            self._draft.ends = self._ends[: words + 1].copy()
            self._draft.words = self._arena[: self._ends[words]]
            self._draft.counts = self._counts[:words].copy()
            return
        first, counts = np.full(words, raw), np.zeros(words, np.int64)
        np.minimum.at(first, final, np.arange(raw))
        np.add.at(counts, final, self._counts[:raw])
        order = np.argsort(first, kind="stable")[: int((first < raw).sum())]
        number = np.zeros(words, np.int32)
        number[order] = np.arange(len(order), dtype=np.int32)
        self._draft.final = number[final]
        self._draft.counts = counts[order]
        ends = np.zeros(len(order) + 1, np.int64)
        self._draft.words = np.empty(int((self._ends[order + 1] - self._ends[order]).sum()), np.uint8)
        kernel.gather(self._arena, self._ends, order, self._draft.words, ends[1:])
        self._draft.ends = ends

    def _unfinished(self, words: int) -> Iterator[tuple[int, bytes]]:
        """Yield the words that `finished` changes, with their final forms. Most texts have none."""
        special = BY_TOKEN if self._lower else ""
        for first in range(0, words, TOGETHER):
            ends = self._ends[first : min(first + TOGETHER, words) + 1].tolist()
            data = self._arena[ends[0] : ends[-1]].tobytes()
            if data.isascii():
                continue
            whole = data.decode()
            if not any(letter in whole for letter in special) and (
                self._form == "none" or unicodedata.is_normalized("NFC", whole)
            ):
                continue
            for i, (begin, end) in enumerate(pairwise(ends)):
                word = data[begin - ends[0] : end - ends[0]]
                if not word.isascii() and (form := finished(word.decode(), self._lower, self._form).encode()) != word:
                    yield first + i, form

    def _enter(self, form: bytes) -> int:
        """Return the number of a word, which is entered if it is new."""
        self._grow()
        words = int(self._state[kernel.WORDS])
        begin = int(self._ends[words])
        self._arena[begin : begin + len(form)] = np.frombuffer(form, np.uint8)
        end = begin + len(form)
        word = kernel.enter(self._slots, self._hashes, self._ends, self._counts, self._arena, words, end)
        self._state[kernel.WORDS] += word == words
        return int(word)


def _longer(old: np.ndarray, size: int) -> np.ndarray:
    new = np.empty(size, old.dtype)
    new[: len(old)] = old
    return new


def _fault(why: int, data: bytes, at: int) -> str:
    if why == kernel.LONG:
        return f"a word of more than {kernel.LONGEST:,} bytes: check that this is text"
    if why == kernel.FORBIDDEN:
        return f"{NUL}: this is not text, or not in UTF-8"
    return (
        f"not UTF-8 (bytes {hexadecimal(data[at:])}): name its --encoding, such as latin-1, leave such lines out with "
        "--errors skip, or replace the bytes with --errors replace"
    )
