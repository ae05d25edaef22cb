"""Rows of texts with labels: the files of GLUE, SICK and SNLI as they are published, and one's own."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from selftaught.data.columns import LABELS
from selftaught.data.text.files import suffix_of, unpacked
from selftaught.data.text.labelled.example import Read, Texts
from selftaught.errors import UserError

ENDINGS = ((".tsv",), (".csv",), (".txt",))
"""Files of a folder that are read; where there are several of these, the first."""
NAMED = 8
"""Columns that are named when the wanted ones are not among them."""
DISAGREED = "-"
"""The label of SNLI and MNLI for pairs on which people did not agree."""


@final
@dataclass(frozen=True)
class Form:
    """A published form of rows.

    Args:
        name: What it is called.
        texts: The columns of one text or of two.
        label: The column of the label.
        metrics: What its authors measure, the one that settings are chosen by first.
        alike: Whether the order of the two texts says nothing.
        number: Whether the label is a number.
        counted: Whether columns are numbers, from 1, because the file does not name them.
    """

    name: str
    texts: tuple[str, ...]
    label: str
    metrics: tuple[str, ...] = ("accuracy",)
    alike: bool = False
    number: bool = False
    counted: bool = False


FORMS = (
    Form("MRPC", ("#1 String", "#2 String"), "Quality", ("F1", "accuracy"), alike=True),
    Form("QQP", ("question1", "question2"), "is_duplicate", ("F1", "accuracy"), alike=True),
    Form("STS-B", ("sentence1", "sentence2"), "score", ("Pearson", "Spearman"), alike=True, number=True),
    Form("MNLI", ("sentence1", "sentence2"), "gold_label"),
    Form("RTE", ("sentence1", "sentence2"), "label"),
    Form("QNLI", ("question", "sentence"), "label"),
    Form("SICK", ("sentence_A", "sentence_B"), "entailment_judgment"),
    Form("SICK", ("sentence_A", "sentence_B"), "relatedness_score", ("Pearson", "Spearman"), alike=True, number=True),
    Form("SST-2", ("sentence",), "label"),
    Form("CoLA", ("4",), "2", ("Matthews", "accuracy"), counted=True),
    Form("", ("1",), "2", counted=True),
    Form("", ("text",), "label"),
)
"""WNLI has the columns of RTE. A file without the column of the label is of no form."""


@final
@dataclass(frozen=True)
class Wanted:
    """What a task reads.

    Args:
        texts: How many texts a row has, 1 or 2.
        number: Whether the label is a number.
        columns: The columns of the texts as a user named them; None = those of a published form.
        label: That of the label.
        options: What these columns are called on the command line.
    """

    texts: int
    number: bool = False
    columns: tuple[str, ...] | None = None
    label: str | None = None
    options: tuple[str, ...] = ("--text", "--label")

    def form(self, first: Sequence[str], where: str) -> Form:
        """Return the form of a file by its first row. Raises UserError if there is none."""
        if self.columns is not None:
            return self._own(self.columns, first, where)
        possible = [one for one in FORMS if len(one.texts) == self.texts and one.number == self.number]
        if self.label is not None:
            possible = [replace(one, label=self.label) for one in possible]
        if self.texts == 1 and len(first) == 4 and first[1] in ("0", "1") and first[2].strip() in ("", "*"):
            return next(one for one in possible if one.counted and len(first) == int(one.texts[0]))
        if self.texts == 1 and len(first) == 2 and first[1].strip().isdecimal():
            return next(one for one in possible if one.counted and one.texts == ("1",))
        named = [one for one in possible if set(one.texts) <= set(first) and not one.counted]
        if not named and self.texts == len(first) == 1:
            return Form("", ("1",), "", counted=True)  # lines of text, which nobody has labelled
        if not named:
            raise UserError(
                f"{where} has no columns of a known form, but {_named(first)}: name them with "
                f"{', '.join(self.options)} (numbers from 1 if the file does not name its columns)"
            )
        return next((one for one in named if one.label in first), replace(named[0], name=""))

    def _own(self, columns: tuple[str, ...], first: Sequence[str], where: str) -> Form:
        label = self.label or next((name for name in LABELS if name in first), "")
        asked = (*columns, *([self.label] if self.label else []))
        counted = all(name.isdecimal() for name in asked) and not set(asked) <= set(first)
        for name, option in zip(columns, self.options, strict=False):
            if not (1 <= int(name) <= len(first) if counted else name in first):
                raise UserError(f"{where} has no column '{name}' for {option}, but {_named(first)}")
        metrics = ("Pearson", "Spearman") if self.number else ("accuracy",)
        return Form("", columns, label, metrics, number=self.number, counted=counted)


def read(path: Path, wanted: Wanted, name: str) -> Read:
    """Return the rows of a file. Rows with too few or too many cells, or without a text, are skipped and told.

    Tab-separated files have no quotes, as those of GLUE; .csv is quoted as in RFC 4180. A row is labelled if its file
    has the column of the label and it is not empty, nor "-".

    Raises UserError if the file cannot be read, has no rows, or its columns are of no known form.
    """
    lines = list(cells(path, name))
    if not lines:
        raise UserError(f"{name} is empty: give a file with a row for each sample")
    first = lines[0][1]
    form = wanted.form(first, name)
    at = [int(text) - 1 if form.counted else first.index(text) for text in form.texts]
    if form.counted:
        label = int(form.label) - 1 if form.label.isdecimal() else -1
    else:
        label = first.index(form.label) if form.label in first else -1
    found = Read([], form=form.name)
    for line, row in lines if form.counted else lines[1:]:
        why, answer = "", row[label].strip() if 0 <= label < len(row) else ""
        if len(row) != len(first):
            why = f"{len(row)} cells where the first row has {len(first)}"
        elif not all(row[column].strip() for column in at):
            why = "an empty text"
        elif answer and form.number and not _is_number(answer):
            why = f"'{answer[:20]}' is no number"
        if why:
            found.skipped.append({"path": f"{name}, line {line}", "reason": why})
            continue
        said: str | float | None = None if answer in ("", DISAGREED) else float(answer) if form.number else answer
        found.examples.append(Texts(tuple(row[column].strip() for column in at), said, f"{name}, line {line}"))
    return found


def of_form(name: str, number: bool) -> Form | None:
    """Return a published form by its name."""
    return next((one for one in FORMS if one.name == name and one.number == number), None) if name else None


def text_of(path: Path, name: str, encoding: str = "utf-8") -> str:
    """Return the content of a file, decompressed. Raises UserError, with the line, if it cannot be read."""
    content = b"".join(unpacked(path))
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{name}, line {line}, is not {encoding.upper()}: save it as UTF-8") from error


def cells(path: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a file with their lines, empty ones left out. .csv is quoted as in RFC 4180, others are not."""
    text = text_of(path, name)
    if suffix_of(path) != ".csv":
        for line, row in enumerate(text.split("\n"), 1):
            if row.strip():
                yield line, row.removesuffix("\r").split("\t")
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        before = reader.line_num
        try:
            found = next(reader, None)
        except csv.Error as error:
            raise UserError(
                f"{name}, line {before + 1}: {error}: quote cells with commas, quotes or line ends"
            ) from None
        if found is None:
            return
        if found:
            yield before + 1, found


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _named(first: Sequence[str]) -> str:
    return ", ".join(repr(cell[:30]) for cell in first[:NAMED]) + (", ..." if len(first) > NAMED else "")
