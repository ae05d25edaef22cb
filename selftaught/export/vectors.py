"""Word vectors in files of several tools: word2vec's text and binary, fastText's .vec, GloVe's text, and safetensors.

::

    text, vec     "V D", then one line "word number number ..." per word; numbers have the fewest digits that give the
                  same float32
    glove         the same without the first line
    binary        "V D", then for each word the word, a space, D float32 (little-endian) and a newline
    bin           a complete model of the fastText tool, with n-grams, so that unseen words have vectors too; see
                  `export/fasttext_bin`. A name that ends in .bin is "binary", unless this format is asked for
    floret        a table of spaCy, from which words and unseen words have vectors; only written, see `export/floret`
    safetensors   matrix float32 [V, D]; words uint8, concatenated UTF-8; ends int64 [V], the end of each word; counts
                  int64 [V] if known

The format is recognised by the content of a file, not by its name or by the claims of its first line. Files compressed
by gzip, bzip2 and xz are opened too, and nothing is executed. `kernels/vectors_text` parses text block by block.
safetensors files and models of the fastText tool are memory-mapped, so that rows are read on access.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError, unknown
from selftaught.export import fasttext_bin, floret
from selftaught.export.compressed import WRITERS, opened, replaced
from selftaught.export.reading import Errors, Reader
from selftaught.kernels import vectors_text as kernel
from selftaught.parts.fasttext_model import Model
from selftaught.parts.subword_rows import SubwordRows
from selftaught.parts.word_vectors import WordVectors
from selftaught.run import check_writable

Format = Literal["text", "vec", "glove", "binary", "bin", "floret", "safetensors"]
ENDINGS: dict[str, Format] = {
    ".txt": "text",
    ".vec": "vec",
    ".bin": "binary",
    ".floret": "floret",
    ".safetensors": "safetensors",
}
MAPPED = frozenset(("safetensors", "bin"))
"""The formats whose readers need a file that is not compressed."""
BLOCK = 8 << 20
"""Bytes of text that are written at a time."""
BREAKS = frozenset(" \t\n\v\f\r\0")
"""What a word cannot contain in the formats where a space ends it."""


def check(path: Path, format: Format | None = None) -> Format:
    """Return the format of a file to write, by its extension if no format is given.

    An additional ``.gz``, ``.bz2`` or ``.xz`` compresses. Raises UserError if the extension is unknown, or the file
    cannot be written. Call it before the work, so that an error comes early.
    """
    if format is not None and format not in get_args(Format):
        raise unknown("format", format, get_args(Format))
    zipped = path.suffix in WRITERS
    found = format or ENDINGS.get(Path(path.stem).suffix if zipped else path.suffix)
    if found is None:
        raise UserError(
            f"{path} must end in {', '.join(ENDINGS)} (and {', '.join(WRITERS)}), or give its --format: "
            f"{', '.join(get_args(Format))}"
        )
    if zipped and found in MAPPED:
        raise UserError(f"{path} cannot be written: {found} files cannot be compressed; remove the {path.suffix}")
    check_writable(path)
    return found


def write(
    path: Path,
    vectors: WordVectors,
    *,
    format: Format | None = None,
    limit: int | None = None,
    rows: SubwordRows | None = None,
) -> None:
    """Write the first `limit` words, or all. On an error, `path` keeps its previous content.

    >>> import tempfile
    >>> vectors = WordVectors(("bank", "money"), np.array([[1, 0], [3, 4]], np.float32))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Path(folder) / "words.txt", vectors)
    ...     read(Path(folder) / "words.txt").words
    ('bank', 'money')

    The vectors that a subword model gives to unseen words can only be stored by floret, which needs the `rows` that
    they are made from, and by a model of the fastText tool (`write_model`). Only that and safetensors keep the counts.

    Raises UserError if the format is unknown or cannot store a word, a vector is not finite, or the disk is full.
    """
    found = check(path, format)
    if found == "bin":
        raise UserError(f"{path}: a model of the fastText tool is more than word vectors: write it with write_model")
    size = len(vectors) if limit is None else min(limit, len(vectors))
    if size < 1 or vectors.dim < 1:
        raise UserError(f"{path} cannot be written: there are no words to write")
    vectors = vectors.first(size)
    words = _checked([word.encode("utf-8", "surrogatepass") for word in vectors.words], found)
    matrix = vectors.matrix
    for begin in range(0, size, 1 << 14):
        finite = np.isfinite(matrix[begin : begin + (1 << 14)]).all(1)
        if not finite.all():
            word = vectors.words[begin + int(finite.argmin())]
            raise UserError(
                f"the vector of '{word}' is not finite, so {path} was not written: training diverged, use a lower --lr"
            )
    with replaced(path) as file:
        if found == "floret":
            if rows is None or not rows.maxn:
                raise UserError(
                    f"{path} cannot be written: a floret table is made of character n-grams, which only fasttext learns"
                )
            made = floret.table(vectors, rows)
            file.write(floret.header(made, rows))
            _write_lines(file, [b"%d" % row for row in range(len(made))], made)
            return
        if found == "safetensors":
            _write_safetensors(file, words, matrix, vectors.counts)
            return
        if found != "glove":
            file.write(b"%d %d\n" % matrix.shape)
        if found == "binary":
            for begin in range(0, size, 1 << 14):
                block = np.ascontiguousarray(matrix[begin : begin + (1 << 14)], "<f4")
                file.writelines(
                    b"%b %b\n" % (word, row.tobytes()) for word, row in zip(words[begin:], block, strict=False)
                )
            return
        _write_lines(file, words, matrix)


def _write_lines(file: IO[bytes], words: Sequence[bytes], matrix: NDArray[np.float32]) -> None:
    """Write a line "word number number ..." for each word."""
    ends = np.cumsum([len(word) for word in words], dtype=np.int64)
    step = max(1, BLOCK // (kernel.WIDEST * matrix.shape[1]))
    for begin in range(0, len(words), step):
        rows = np.ascontiguousarray(matrix[begin : begin + step], np.float32)
        text = b"".join(words[begin : begin + step])
        out = np.empty(len(text) + rows.shape[0] + rows.size * kernel.WIDEST, np.uint8)
        borders = ends[begin : begin + step] - (ends[begin] - len(words[begin]))
        used = kernel.print_lines(np.frombuffer(text, np.uint8), borders, rows, out)
        file.write(out[:used].data)


def write_model(path: Path, model: Model) -> None:
    """Write a model of the fastText tool. On an error, `path` keeps its previous content.

    Raises UserError as `write`.
    """
    check(path, "bin")
    _checked(model.words, "bin")
    with replaced(path) as file:
        fasttext_bin.write(file, model)


def _checked(words: Sequence[bytes], format: Format) -> Sequence[bytes]:
    """Return the words, in UTF-8. Raises UserError if the format cannot store one, or one occurs twice."""
    if not words:
        raise UserError("there are no words to write")
    breaks = {"safetensors": frozenset(), "floret": frozenset(), "bin": frozenset("\0")}.get(format, BREAKS)
    for data in words:
        try:
            word = data.decode()
        except UnicodeDecodeError as error:
            raise UserError(
                f"the word {data.decode('utf-8', 'surrogatepass')!r} is not Unicode text (half of a surrogate pair), "
                "so no format can store it"
            ) from error
        if not word or not breaks.isdisjoint(word):
            what = "a space, a newline or a byte 0" if word else "nothing at all"
            raise UserError(f"the word {word!r} is or contains {what}, which {format} cannot store: write .safetensors")
    if len(set(words)) < len(words):
        twice = next(word for word, n in Counter(words).items() if n > 1).decode()
        raise UserError(f"the word '{twice}' occurs twice, so a reader would find only one of its vectors")
    return words


def _write_safetensors(
    file: IO[bytes],
    words: Sequence[bytes],
    matrix: NDArray[np.float32],
    counts: NDArray[np.int64] | None,
) -> None:
    """Write the safetensors format by hand, so that nothing is copied.

    It is a length, JSON with the positions of the arrays, and the arrays.
    """
    ends = np.cumsum([len(word) for word in words], dtype=np.int64)
    integers = {"ends": ends} | ({} if counts is None else {"counts": np.asarray(counts, np.int64)})
    text = b"".join(words)
    head: dict[str, Any] = {"__metadata__": {"selftaught": json.dumps({"kind": "word vectors"})}}
    at = 0
    for name, kind, shape, size in (
        *((name, "I64", [len(words)], 8 * len(words)) for name in integers),
        ("matrix", "F32", list(matrix.shape), 4 * matrix.size),
        ("words", "U8", [len(text)], len(text)),
    ):
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    packed = json.dumps(head).encode()
    packed += b" " * (-len(packed) % 8)
    file.write(len(packed).to_bytes(8, "little") + packed)
    for values in integers.values():
        file.write(values.astype("<i8").tobytes())
    for begin in range(0, len(matrix), 1 << 14):
        file.write(matrix[begin : begin + (1 << 14)].astype("<f4").tobytes())
    file.write(text)


def read(path: Path, *, errors: Errors = "strict", limit: int | None = None) -> WordVectors:
    """Read the word vectors in a file of any format above, compressed or not.

    Of a word that occurs several times the first vector is kept, as in gensim; a warning counts the others.

    Args:
        path: The file.
        errors: What to do with words that are not UTF-8: "strict" refuses the file; "replace" puts U+FFFD for invalid
            bytes, and keeps the first of words that become equal.
        limit: Only the first N words.

    Raises UserError if the file is invalid; one sentence names the file and the line (in binary files: the word).
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    with opened(path) as (stream, size):
        return Reader(path, stream, size, errors, limit).read()
