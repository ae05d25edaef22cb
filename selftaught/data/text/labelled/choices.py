"""Beginnings with several ways to go on: SWAG's CSV, COPA's XML, and one's own rows."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

from selftaught.data.text.files import suffix_of
from selftaught.data.text.labelled.example import Choices, Read
from selftaught.data.text.labelled.rows import text_of
from selftaught.errors import UserError

ENDINGS = ((".csv",), (".tsv",), (".xml",))
JOINED = {"cause": "because", "effect": "so"}
"""What stands between a premise of COPA and what it asks for."""


def read(path: Path, columns: tuple[str, tuple[str, ...], str] | None, name: str) -> Read:
    """Return the samples of a file.

    Args:
        path: .xml is COPA, .csv and .tsv are SWAG unless `columns` are given.
        columns: The columns of the beginning, of the choices, and of the number of the right one, from 0.
        name: The name of the file in messages.

    Rows with another number of cells, and a right choice that is not there, are skipped and told. Raises UserError if
    the file is of no known form.
    """
    if suffix_of(path) == ".xml":
        return _copa(path, name)
    text = text_of(path, name)
    quoted = suffix_of(path) == ".csv"
    lines = text.replace("\r\n", "\n")
    try:
        table = list(
            csv.reader(io.StringIO(lines, newline=""), strict=True)
            if quoted
            else csv.reader(io.StringIO(lines, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
        )
    except csv.Error as error:
        raise UserError(f"{name}: {error}: quote cells with commas, quotes or line ends") from None
    rows = [(number, row) for number, row in enumerate(table, 1) if row]
    if not rows:
        raise UserError(f"{name} is empty: give a file with a row for each sample")
    header = rows[0][1]
    swag = columns is None
    endings = tuple(one for one in header if one.startswith("ending") and one[6:].isdecimal())
    beginning, ways, label = columns or ("sent1", endings, "label")
    needed = [beginning, *ways, *(["sent2"] if swag else [])]
    missing = [one for one in needed if one not in header]
    if missing or len(ways) < 2:
        what = f"no column '{missing[0]}'" if missing else "fewer than two columns of choices"
        raise UserError(
            f"{name} has {what}, but {', '.join(map(repr, header[:8]))}: give SWAG's CSV (sent1, sent2, ending0, ...), "
            "or name the columns with --beginning, --choices and --label"
        )
    found = Read([], form="SWAG" if swag else "")
    for number, row in rows[1:]:
        cells = dict(zip(header, row, strict=False))
        right, why = cells.get(label, "").strip(), ""
        if len(row) != len(header):
            why = f"{len(row)} cells where the first row has {len(header)}"
        elif right and not (right.isdecimal() and int(right) < len(ways)):
            why = f"the right choice is '{right[:20]}', not 0 to {len(ways) - 1}"
        if why:
            found.skipped.append({"path": f"{name}, row {number}", "reason": why})
            continue
        prefix = f"{cells['sent2']} " if swag else ""
        texts = tuple(f"{prefix}{cells[one]}" for one in ways)
        where = f"{name}, row {number}"
        found.examples.append(Choices(cells[beginning], texts, int(right) if right else None, where))
    return found


def _copa(path: Path, name: str) -> Read:
    try:
        tree = ElementTree.fromstring(text_of(path, name).encode())
    except ElementTree.ParseError as error:
        raise UserError(f"{name} is not valid XML: {error}") from None
    found = Read([], form="COPA")
    for number, item in enumerate(tree.iter("item"), 1):
        premise, asked = (item.findtext("p") or "").strip(), item.get("asks-for", "")
        texts = tuple((item.findtext(one) or "").strip() for one in ("a1", "a2"))
        right = item.get("most-plausible-alternative", "")
        if not premise or not all(texts) or asked not in JOINED or right not in ("", "1", "2"):
            reason = "an item needs <p>, <a1>, <a2>, asks-for and most-plausible-alternative"
            found.skipped.append({"path": f"{name}, item {item.get('id', number)}", "reason": reason})
            continue
        answer = int(right) - 1 if right else None
        found.examples.append(
            Choices(premise, tuple(f"{JOINED[asked]} {text}" for text in texts), answer, f"{name}, {item.get('id')}")
        )
    if not found.examples and not found.skipped:
        raise UserError(f"{name} has no <item>: it is not COPA's XML")
    return found
