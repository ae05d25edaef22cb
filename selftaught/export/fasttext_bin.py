"""Complete models of the fastText tool (``.bin``), which also give vectors to unseen words: written and read.

::

    magic, version    int32 each
    arguments         12 int32 (see `ARGUMENTS`) and float64 t, the threshold of subsampling
    dictionary        int32 entries, words, labels; int64 tokens, int64 -1 (more only in quantised models); then for
                      each word and each label: its bytes, a byte 0, int64 count, uint8 0 for a word, 1 for a label
    input             uint8 quantised?; int64 rows, int64 dim, float32 [words + bucket, dim]
    output            uint8 quantised?; int64 rows, int64 dim, float32 [words, dim], or [labels, dim] if supervised

All numbers are little-endian. The vector of a word is the mean of its row and the rows of its n-grams, which are hashed
as in `kernels/subwords`; n-gram bucket b has row words + b. Tables are memory-mapped when read. Nothing is executed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels.subwords import add_rows, buckets
from selftaught.parts.fasttext_model import ARGUMENTS, MODELS, Model
from selftaught.parts.read_only import read_only
from selftaught.parts.subword_rows import SubwordRows
from selftaught.parts.word_vectors import Vector, WordVectors

MAGIC = struct.pack("<i", 793712314)
VERSION = 12
HEAD = struct.Struct("<4si12id")
COUNTS = struct.Struct("<3i2q")
ENTRY = struct.Struct("<qb")
SHAPE = struct.Struct("<?2q")
BLOCK = 1 << 14
"""Rows that are computed, checked and written at a time."""
Errors = Literal["strict", "replace"]


def is_one(path: Path) -> bool:
    """Return whether the file begins as such a model."""
    try:
        with path.open("rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def read(path: Path, errors: Errors = "strict", limit: int | None = None) -> WordVectors:
    """Read the vectors of the words, with the function that gives vectors to unseen words.

    Raises UserError if the file is damaged, quantised or of an unknown version.
    """
    model = parse(path)

    def unseen(word: str) -> Vector | None:
        rows = _buckets(model, [word])[1]
        return model.table[len(model.words) + rows.astype(np.int64)].mean(0) if len(rows) else None

    words = decoded(path, model.words[:limit], errors)
    counts = model.counts[: len(words)]
    return WordVectors(tuple(words), _vectors(model, limit), counts, unseen if model.maxn else None)


def rows(path: Path, errors: Errors = "strict") -> SubwordRows:
    """Read the table of the rows of words and n-grams. Raises UserError as `read`."""
    model = parse(path)
    size, bucket = len(model.words), int(model.arguments["bucket"]) if model.maxn else 0
    row_of = np.arange(size, size + bucket, dtype=np.int32)
    words = decoded(path, model.words, errors)
    minn = max(int(model.arguments["minn"]), 1)
    return SubwordRows(words, model.counts[:size], model.table, row_of, minn, model.maxn, max(bucket, 1))


def _buckets(model: Model, words: Sequence[str | bytes]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the buckets of the words' n-grams, as `kernels.subwords.buckets`."""
    minn, bucket = int(model.arguments["minn"]), int(model.arguments["bucket"])
    return buckets(words, max(minn, 1), model.maxn, max(bucket, 1))


def _vectors(model: Model, limit: int | None) -> NDArray[np.float32]:
    """Return the vectors of the words, or of the first `limit`: float32 [V, dim]."""
    size = min(len(model.words), limit or len(model.words))
    found = np.array(model.table[:size], np.float32)
    for begin in range(0, size if model.maxn else 0, BLOCK):
        part = found[begin : begin + BLOCK]
        starts, rows = _buckets(model, model.words[begin : begin + len(part)])
        add_rows(model.table, len(model.words), rows, starts, part)
        part /= (1 + np.diff(starts)).astype(np.float32)[:, None]
    return found


def parse(path: Path) -> Model:
    """Read a file; its tables are memory-mapped.

    Raises UserError if it is damaged, quantised or of an unknown version.
    """

    def refuse(what: str) -> NoReturn:
        raise UserError(f"{path} {what}")

    damaged = "is a damaged fastText model: it is truncated, or its sizes are wrong; download or write it again"
    try:
        with path.open("rb") as file:
            magic, version, *arguments = HEAD.unpack(file.read(HEAD.size))
            if magic != MAGIC or not 11 <= version <= VERSION:
                refuse(f"is a fastText model of version {version}, but only versions 11 and 12 can be read")
            said: dict[str, float] = dict(zip((*ARGUMENTS, "t"), arguments, strict=True))
            entries, words, labels, _, pruned = COUNTS.unpack(file.read(COUNTS.size))
            if min(words, labels) < 0 or entries != words + labels or words < 1 or said["dim"] < 1:
                refuse(damaged)
            texts, counts = _entries(file, entries)
            quantised, height, width = SHAPE.unpack(file.read(SHAPE.size))
            if quantised or pruned >= 0:
                refuse(
                    "is a quantised fastText model (.ftz), whose vectors are approximate and are not read: use the "
                    ".bin that it was made from"
                )
            table = _mapped(path, file, height, width)
            quantised, rows, columns = SHAPE.unpack(file.read(SHAPE.size))
            out = _mapped(path, file, rows, columns)
    except (struct.error, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} {damaged}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if version == 11 and said["model"] == MODELS["supervised"]:
        said["maxn"] = 0  # models of that version had no n-grams, whatever they say
    least = words + (said["bucket"] if said["maxn"] > 0 else 0)
    if width != said["dim"] or columns != width or height < least or said["bucket"] < 0 or said["maxn"] < 0:
        refuse(damaged)
    finite = all(np.isfinite(table[begin : begin + BLOCK]).all() for begin in range(0, height, BLOCK))
    if not finite:
        refuse("has a vector with a number that is not finite: download or write it again")
    return Model(said, texts[:words], counts, table, out, texts[words:])


def _entries(file: IO[bytes], entries: int) -> tuple[list[bytes], NDArray[np.int64]]:
    """Read the dictionary; the file is then at its end. Raises ValueError if the file ends before."""
    texts: list[bytes] = []
    counts: list[int] = []
    pending, at = b"", 0
    while len(texts) < entries:
        stop = pending.find(b"\0", at)
        if stop < 0 or stop + 1 + ENTRY.size > len(pending):
            more = file.read(1 << 20)
            if not more:
                raise ValueError("the file ends in its dictionary")
            pending, at = pending[at:] + more, 0
            continue
        texts.append(pending[at:stop])
        counts.append(ENTRY.unpack_from(pending, stop + 1)[0])
        at = stop + 1 + ENTRY.size
    file.seek(at - len(pending), 1)
    return texts, np.array(counts, np.int64)


def _mapped(path: Path, file: IO[bytes], rows: int, width: int) -> NDArray[np.float32]:
    """Map the matrix that begins here, and go behind it. Raises ValueError if the file is too short."""
    if rows < 0 or width < 1:
        raise ValueError("a matrix has no size")
    begin = file.tell()
    file.seek(0, 2)
    if begin + 4 * rows * width > file.tell():
        raise ValueError("the file ends in a matrix")
    file.seek(begin + 4 * rows * width)
    return read_only(np.memmap(path, "<f4", "r", begin, (rows, width))) if rows else np.empty((0, width), np.float32)


def decoded(path: Path, words: Sequence[bytes], errors: Errors) -> list[str]:
    """Return words as text. Raises UserError, naming the first that is not UTF-8, if `errors` is "strict"."""
    found = []
    for number, word in enumerate(words, 1):
        try:
            found.append(word.decode("utf-8", errors))
        except UnicodeDecodeError:
            raise UserError(
                f"{path}, word {number}: the word is not UTF-8 text; read it with --errors replace"
            ) from None
    return found


def write(file: IO[bytes], model: Model) -> None:
    """Write a model. Raises UserError if a label cannot be stored, or a number is not finite."""
    said, size = model.arguments, len(model.words)
    for text in model.labels:
        if not text or b"\0" in text:
            raise UserError(
                f"the label {text.decode()!r} is empty or has a byte 0, which a fastText model cannot store"
            )
    file.write(HEAD.pack(MAGIC, VERSION, *(int(said[name]) for name in ARGUMENTS), said["t"]))
    tokens = int(model.counts[:size].sum())
    file.write(COUNTS.pack(size + len(model.labels), size, len(model.labels), tokens, -1))
    file.writelines(_entry(model))
    for table in (model.table, model.out):
        file.write(SHAPE.pack(False, *table.shape))
        for begin in range(0, table.shape[0], BLOCK):
            block = np.ascontiguousarray(table[begin : begin + BLOCK], "<f4")
            if not np.isfinite(block).all():
                raise UserError("a vector is not finite, so no file was written: training diverged, use a lower --lr")
            file.write(block.tobytes())


def _entry(model: Model) -> Iterator[bytes]:
    counts = model.counts.tolist()
    for number, text in enumerate((*model.words, *model.labels)):
        yield text + b"\0" + ENTRY.pack(counts[number], number >= len(model.words))
