"""Texts to ask a classifier about: one for each line or row of a file, in its order, none left out."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from selftaught.data.text import delimited
from selftaught.data.text.files import LINES, ROWS
from selftaught.data.text.records import Bad
from selftaught.errors import UserError, expanded
from selftaught.source import Index, Raw, Source, checked

LABEL = "__label__"
"""The beginning of a label among the words of a line, as in the files of the fastText tool."""
STDIN = "-"
NAMES = (*ROWS, *LINES, ".txt", ".text")
"""Endings of files that are read line by line."""


@final
class Lines(Source):
    """Texts, and what they are said to be.

    Args:
        texts: One string for each sample.
        truths: The labels that the file gives each text, often none.
        where: The number of the line or the row of each text.
    """

    samples = "texts"

    def __init__(self, texts: Sequence[str], truths: Sequence[tuple[str, ...]], where: Sequence[int]) -> None:
        self.texts, self.truths, self.where = texts, truths, where

    def __len__(self) -> int:
        return len(self.texts)

    def fetch(self, index: Index) -> Raw:
        """See `Source.fetch`."""
        index = checked(index, len(self))
        return {"text": [self.texts[i] for i in index], "label": np.full(len(index), -1, np.int64), "index": index}

    def names(self, index: Index) -> list[str]:
        """Return the line or row of the samples."""
        return [str(self.where[i]) for i in checked(index, len(self))]


def reads(data: Any) -> bool:
    """Return whether `data` is read line by line: standard input, or a file whose ending says so."""
    if not isinstance(data, str | Path):
        return False
    path = expanded(data)
    return str(data) == STDIN or (path.is_file() and (path.suffix.lower() in NAMES or not path.suffix))


def read(data: str | Path, column: str, errors: str, label: str | None = None) -> Lines:
    """Read the texts of a file, or of standard input if `data` is "-".

    Rows of ``.csv`` and ``.tsv`` and records of ``.jsonl`` have the text under the name `column`, and may have a
    "label" (rows also under another usual name); a `column` that is a number counts the columns of a table without
    names from 1. Any other line is a text, and its words that begin with ``__label__`` are its labels.

    `label` is the column of the labels of rows, if there is one of this name.

    Raises UserError, with the line, for what cannot be read.
    """
    name = "standard input" if str(data) == STDIN else str(data)
    path = expanded(data)
    try:
        content = sys.stdin.buffer.read() if str(data) == STDIN else path.read_bytes()
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}") from error
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "strict" if errors == "strict" else "replace")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{name}, line {line}, is not UTF-8: save it as UTF-8, or use --errors replace") from error
    suffix = path.suffix.lower()
    if suffix in ROWS:
        found = list(_rows(text, delimited.Columns(column, label, optional=True), name, ROWS[suffix]))
    elif suffix in LINES:
        found = list(_records(text, column, name))
    else:
        found = list(_plain(text))
    if not found:
        raise UserError(f"{name} has no text to predict labels of")
    texts, truths, where = zip(*found, strict=True)
    return Lines(texts, truths, where)


Found = Iterator[tuple[str, tuple[str, ...], int]]


def _plain(text: str) -> Found:
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        labels = tuple(word.removeprefix(LABEL) for word in line.split() if word.startswith(LABEL))
        words = " ".join(word for word in line.split() if not word.startswith(LABEL)) if labels else line.rstrip("\r")
        yield words, labels, number


def _rows(text: str, columns: delimited.Columns, name: str, marks: str) -> Found:
    for number, row in delimited.rows(io.StringIO(text, newline=""), marks, columns, name):
        if isinstance(row, Bad):
            raise UserError(f"{row.where}: {row.reason}")
        given = str(row.label or "").strip()
        yield row.text, (given.removeprefix(LABEL),) if given else (), number


def _records(text: str, column: str, name: str) -> Found:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            found = record[column]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{name}, line {number}: this is no JSON record with the field '{column}'") from error
        if not isinstance(found, str):
            raise UserError(f"{name}, line {number}: '{column}' is not a text but {json.dumps(found)[:40]}")
        given = record.get("label")
        yield found, () if given is None else (str(given).removeprefix(LABEL),), number
