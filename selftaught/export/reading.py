"""Read word vectors from a file of any tool: one pass, recognised by content. See `export/vectors` for the formats."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Literal, NoReturn, final

import numpy as np

from selftaught.errors import UserError
from selftaught.export import fasttext_bin
from selftaught.kernels import vectors_text as kernel
from selftaught.parts.word_vectors import WordVectors

Errors = Literal["strict", "replace"]
BLOCK = 8 << 20
"""Bytes that are read and parsed at a time."""
LONGEST_LINE = 64 << 20
LONGEST_WORD = 1 << 16
MOST_NUMBERS = 1 << 20
"""Upper limits of any file of word vectors, in bytes and in numbers per word. A larger claim means that the file is
damaged; no memory is allocated for it.
"""


def _numbered(row: int) -> str:
    return f"word {row + 1}"


@final
class Reader:
    """One pass over one file. `size` is the file's length in bytes, or None if it is unknown (compressed)."""

    def __init__(self, path: Path, stream: IO[bytes], size: int | None, errors: Errors, limit: int | None) -> None:
        self.path, self.stream, self.size, self.errors, self.limit = path, stream, size, errors, limit
        self.matrix = np.empty((0, 0), "<f4")
        self.row = 0
        self.doubtful: list[int] = []  # rows whose word goes on with a number
        self.words: list[bytes] = []  # each word with a newline after it, in pieces

    def read(self) -> WordVectors:
        """Recognise the format by the first bytes and read the rest."""
        head = self.stream.read(BLOCK)
        if not head.strip():
            self._refuse("is empty: there is not one word in it")
        if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 30:  # text would give a far larger number
            return self._safetensors()
        if head.startswith(fasttext_bin.MAGIC):
            return self._fasttext()
        for start, what in STRANGERS.items():
            if head.startswith(start):
                self._refuse(what)
        head = head.removeprefix(b"\xef\xbb\xbf")
        line, _, body = head.partition(b"\n")
        fields = line.split()
        if len(fields) == 8 and fields[6:] == [b"<", b">"]:
            self._refuse("is a floret table, whose lines are no words: it is written for spaCy, and not read")
        if len(fields) == 2 and all(field.isdigit() and len(field) < 19 for field in fields):
            count, dim = map(int, fields)
            if not 1 <= dim <= MOST_NUMBERS or count < 1:
                self._refuse(
                    f"line 1 says {count} words of {dim} numbers: there must be at least one word and one number, and "
                    "less than a million numbers per word"
                )
            return self._lines(body, dim, 2, count) if _is_text(body, dim) else self._records(body, dim, count)
        if len(line) == len(head) >= BLOCK:
            self._refuse("has no line break in its first 8 MB: these are not word vectors")
        if len(fields) < 2:
            self._refuse(
                "line 1 is neither a count of words and of numbers, nor a word and its numbers: these are not word "
                "vectors"
            )
        return self._lines(head, len(fields) - 1, 1, None)

    def _lines(self, pending: bytes, dim: int, first: int, count: int | None) -> WordVectors:
        """Read text from line `first` on: `count` words, or all."""
        wanted = min(count or 1 << 62, self.limit or 1 << 62)
        lines = pending.count(b"\n") + 1
        if self.size is not None and pending:
            lines = int(self.size / len(pending) * lines * 1.02) + 1  # assumes that the rest is similar
        self._make_room(dim, min(wanted, lines))
        ended = False
        while True:
            chunk = self.stream.read(BLOCK) if self.row < wanted or self.limit is None else b""
            cut = pending.rfind(b"\n") + 1 if chunk else len(pending)
            if cut == 0 and len(pending) > LONGEST_LINE:
                self._refuse(f"line {first + self.row} is longer than {LONGEST_LINE >> 20} MB")
            ended = self._whole_lines(pending[:cut], dim, first, wanted, ended)
            if not chunk or (self.limit is not None and self.row >= self.limit):
                break
            pending = pending[cut:] + chunk
        if count is not None and self.row < min(count, self.limit or count):
            self._refuse(
                f"line 1 says {count} words, but there are {self.row}: it is truncated, or its first line is wrong"
            )
        return self._made(first)

    def _whole_lines(self, data: bytes, dim: int, first: int, wanted: int, ended: bool) -> bool:
        """Parse lines. Return whether a blank line ended the vectors (only more blank lines may follow)."""
        text = np.frombuffer(data, np.uint8)
        words, unsettled = np.empty(len(text) + 1, np.uint8), np.empty((max(4096, dim), 4), np.int64)
        at = used = 0
        while at < len(text):
            if ended or self.row >= wanted:
                if self.limit is not None and self.row >= self.limit:
                    break
                if data[at:].strip():
                    what = f"after the {wanted} words that line 1 says" if self.row >= wanted else "after a blank line"
                    self._refuse(f"line {first + self.row + ended} continues {what}")
                break
            if self.row == len(self.matrix):
                self._make_room(dim, self.row + self.row // 2 + 1024)
            self.row, at, used, waiting, why, column = kernel.parse_lines(
                text, at, self.matrix, self.row, min(wanted, len(self.matrix)), words, used, unsettled
            )
            for row, k, begin, end in unsettled[:waiting]:
                self.matrix[row, k] = _rounded(data[begin:end].decode())
            if why == kernel.BLANK:
                ended = True
            elif why in (kernel.LONG, kernel.NOT_A_NUMBER) and (line := self._spaced_line(data, at, first, dim)):
                at += line[0]
                words[used : used + len(line[1])] = np.frombuffer(line[1], np.uint8)
                used += len(line[1])
            elif why not in (kernel.FINE, kernel.FULL):
                self._refuse(f"line {first + self.row} {_fault(why, data, at, dim, column)}")
        self.words.append(words[:used].tobytes())
        return ended

    def _spaced_line(self, data: bytes, at: int, first: int, dim: int) -> tuple[int, bytes] | None:
        """Read a line whose word contains spaces: its last D fields are the numbers, and what is before them the word.

        A word that goes on with a number ("10 000") looks like a vector with too many numbers. It is taken for a word
        only where line 1 gives the width, and `_made` refuses the file if most of its lines are like this.

        Returns its length and the word followed by a newline, or None if the line does not have this form.
        """
        stop = data.find(b"\n", at)
        line = data[at : stop if stop >= 0 else len(data)]
        word, *numbers = line.rstrip().rsplit(None, dim)
        second = word.split()[1:2]
        if not second or len(numbers) < dim or b"\0" in word:
            return None
        if _is_number(second[0].decode("utf-8", "replace")):
            if first == 1:
                return None
            self.doubtful.append(self.row)
        text, unsettled = b"w " + b" ".join(numbers), np.empty((len(numbers) + 1, 4), np.int64)
        row, _, _, waiting, why, _ = kernel.parse_lines(
            np.frombuffer(text, np.uint8),
            0,
            self.matrix,
            self.row,
            self.row + 1,
            np.empty(len(text), np.uint8),
            0,
            unsettled,
        )
        if why != kernel.FINE or row == self.row:
            return None
        for _, k, begin, end in unsettled[:waiting]:
            self.matrix[self.row, k] = _rounded(text[begin:end].decode())
        self.row = row
        return min(len(line) + 1, len(data) - at), word + b"\n"

    def _records(self, pending: bytes, dim: int, count: int) -> WordVectors:
        """Read binary records after the first line."""
        least = count * (4 * dim + 2)
        if self.size is not None and least > self.size:
            self._refuse(
                f"line 1 says {count} words of {dim} numbers, {least:,} bytes or more, but there are "
                f"{self.size:,}: it is truncated"
            )
        wanted = min(count, self.limit or count)
        self._make_room(dim, wanted if self.size is not None else min(wanted, BLOCK // (4 * dim) + 1))
        while self.row < wanted:
            if self.row == len(self.matrix):
                self._make_room(dim, min(wanted, self.row + self.row // 2 + 1024))
            data, words, row = np.frombuffer(pending, np.uint8), np.empty(len(pending) + 1, np.uint8), self.row
            self.row, at, used, why = kernel.parse_records(
                data, 0, self.matrix.view(np.uint8), row, len(self.matrix), words, 0
            )
            self.words.append(words[:used].tobytes())
            if why == kernel.NUL:
                self._refuse(
                    f"word {self.row + 1} contains a byte 0: it is damaged, or its vectors are not of {dim} numbers"
                )
            if why == kernel.NO_WORD:
                self._refuse(
                    f"word {self.row + 1} is empty or broken in two: it is damaged, or its vectors are not of "
                    f"{dim} numbers"
                )
            finite = np.isfinite(self.matrix[row : self.row]).all(1)
            if not finite.all():
                self._refuse(f"word {row + int(finite.argmin()) + 1} has a number that is not finite")
            pending = pending[at:]
            if len(pending) > 4 * dim + LONGEST_WORD:
                if self.row < len(self.matrix):
                    self._refuse(
                        f"word {self.row + 1} is longer than {LONGEST_WORD >> 10} kB: its vectors are not of {dim} "
                        "numbers"
                    )
                continue
            chunk = self.stream.read(BLOCK)
            if not chunk and self.row < wanted and self.row < len(self.matrix):
                self._refuse(f"ends in word {self.row + 1} of the {count} that line 1 says: it is truncated")
            pending += chunk
        if self.row == count and (pending.strip(b"\n") or self.stream.read(2).strip(b"\n")):
            self._refuse(f"continues after the {count} words that line 1 says")
        return self._made(None)

    def _make_room(self, dim: int, rows: int) -> None:
        grown = np.empty((rows, dim), "<f4")
        grown[: self.row] = self.matrix[: self.row].reshape(self.row, dim)
        self.matrix = grown

    def _made(self, first: int | None) -> WordVectors:
        """Return the words and their rows; `first` is the line of the first word, None in a binary file."""
        joined = b"".join(self.words)
        if 2 * len(self.doubtful) >= self.row > 0:
            self._refuse(
                f"line {self.doubtful[0] + (first or 1)} continues after the {self.matrix.shape[1]} expected numbers "
                "(a word that contains a space looks the same)"
            )

        def place(row: int) -> str:
            return _numbered(row) if first is None else f"line {first + row}"

        try:
            words = joined.decode("utf-8", self.errors).split("\n")[:-1]
        except UnicodeDecodeError as error:
            row = joined.count(b"\n", 0, error.start)
            self._refuse(
                f"{place(row)}: the word is not UTF-8 text; read it with --errors replace, or convert the file"
            )
        matrix = self.matrix[: self.row] if len(self.matrix) > self.row else self.matrix
        if not words:
            self._refuse("is empty: there is not one word in it")
        return self._first_of_each(WordVectors(tuple(words), np.ascontiguousarray(matrix, np.float32)), place)

    def _first_of_each(self, found: WordVectors, place: Callable[[int], str] = _numbered) -> WordVectors:
        """Return the first vector of each word. A warning counts the others."""
        rows: dict[str, int] = {}
        again = [row for row, word in enumerate(found.words) if rows.setdefault(word, row) != row]
        if not again:
            return found
        first = found.words[again[0]]
        warnings.warn(
            f"{self.path}: {len(again):,} vectors of words that came before are left out (the first: {first!r}, "
            f"{place(again[0])} after {place(rows[first])})",
            stacklevel=2,
        )
        keep = np.fromiter(rows.values(), np.int64, len(rows))
        counts = None if found.counts is None else found.counts[keep]
        return replace(found, words=tuple(rows), matrix=found.matrix[keep], counts=counts)

    def _safetensors(self) -> WordVectors:
        """Read our own format; the matrix is memory-mapped."""
        if self.size is None:
            self._refuse(
                "is a compressed safetensors file, which cannot be memory-mapped: unpack it first (gunzip, bunzip2 or "
                "unxz)"
            )
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, "numpy") as file:
                names = set(file.keys())
                if not {"matrix", "words", "ends"} <= names:
                    what = "an encoder: load it as a run" if "table" in names else "no word vectors"
                    self._refuse(f"contains {what} (expected are matrix, words and ends)")
                text, ends = file.get_tensor("words"), file.get_tensor("ends")
                counts = file.get_tensor("counts") if "counts" in names else None
                kinds = [file.get_slice(name).get_dtype() for name in ("matrix", "words", "ends")]
                shape = tuple(file.get_slice("matrix").get_shape())
        except UserError:
            raise
        except (SafetensorError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise UserError(f"{self.path} is not a readable safetensors file: download or write it again") from error
        wrong = (
            kinds != ["F32", "U8", "I64"]
            or len(shape) != 2
            or min(shape) < 1
            or ends.shape != shape[:1]
            or text.ndim != 1
        )
        if wrong or ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] != len(text):
            self._refuse("is damaged: its words and its matrix do not match")
        if counts is not None and (counts.shape != ends.shape or counts.dtype != np.int64):
            self._refuse("is damaged: its counts do not match its words")
        with self.path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            offset = json.loads(file.read(length))["matrix"]["data_offsets"][0]
        size = min(shape[0], self.limit or shape[0])
        mapped = np.memmap(self.path, "<f4", "r", 8 + length + offset, (size, shape[1]))
        for begin in range(0, size, 1 << 14):
            finite = np.isfinite(mapped[begin : begin + (1 << 14)]).all(1)
            if not finite.all():
                self._refuse(f"word {begin + int(finite.argmin()) + 1} has a number that is not finite")
        data, starts = text.tobytes(), np.concatenate([[0], ends[:-1]])
        words = []
        for row, (begin, end) in enumerate(zip(starts[:size].tolist(), ends[:size].tolist(), strict=True)):
            try:
                words.append(data[begin:end].decode("utf-8", self.errors))
            except UnicodeDecodeError:
                self._refuse(f"word {row + 1} is not UTF-8 text; read it with --errors replace, or convert the file")
        if not all(words):
            self._refuse("is damaged: a word is empty")
        return self._first_of_each(WordVectors(tuple(words), mapped, None if counts is None else counts[:size]))

    def _fasttext(self) -> WordVectors:
        """Read a model of the fastText tool; its tables are memory-mapped."""
        if self.size is None:
            self._refuse("is a compressed fastText model, which cannot be memory-mapped: unpack it first")
        return self._first_of_each(fasttext_bin.read(self.path, self.errors, self.limit))

    def _refuse(self, what: str) -> NoReturn:
        raise UserError(f"{self.path}{' ' if not what.startswith(('line', 'word')) else ', '}{what}")


STRANGERS = {
    b"\x80": "is a pickle, which is not opened because it may run code: save it with gensim's save_word2vec_format",
    b"\\data\\": "is a language model in the ARPA format, which has no vectors: ask it with 'selftaught score'",
    b"\n\\data\\": "is a language model in the ARPA format, which has no vectors: ask it with 'selftaught score'",
    b"PK\x03\x04": "is a zip archive: unpack it first",
}
"""First bytes of other files of word vectors, and the advice for each."""


def _is_text(body: bytes, dim: int) -> bool:
    """Return whether the rest after a first line "V D" is text.

    It is text if there are letters and digits where a binary file has its first D float32.
    """
    sample = body.partition(b" ")[2][: min(4 * dim, 256)].decode("latin-1")
    return sum(c.isascii() and (c.isalnum() or c in ".+- \t\r\n") for c in sample) >= 0.8 * len(sample)


def _fault(why: int, data: bytes, at: int, dim: int, column: int) -> str:
    """Return the error in the line that begins at `at`."""
    line = data[at:].partition(b"\n")[0]
    if why == kernel.NUL:
        return "has a byte 0 in its word: these are not word vectors as text, or they are damaged"
    if why == kernel.NO_WORD:
        return "begins with a space: the word is missing"
    if why == kernel.SHORT:
        return f"has {column} number{'s' * (column != 1)} where {dim} are expected"
    if why == kernel.LONG:
        return f"continues after the {dim} expected numbers (a word that contains a space looks the same)"
    field = line.split()[column + 1][:40].decode("utf-8", "replace")
    return f"has {field!r} for number {column + 1}, which is " + ("not finite" if _is_number(field) else "no number")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _rounded(field: str) -> np.float32:
    """Return the float32 nearest to a decimal number, ties to even, decided exactly."""
    wide = float(field)
    near = np.float32(wide)
    if float(near) == wide:
        return near
    with np.errstate(over="ignore"):  # infinity follows the largest float32
        other = np.nextafter(near, np.float32(np.inf if wide > float(near) else -np.inf))
    middle = (float(near) + float(other)) / 2  # exact, because it needs only one bit more than a float32
    exact, half = Decimal(field), Decimal(middle)
    if exact == half:
        return np.float32(middle)
    return max(near, other) if exact > half else min(near, other)
