"""Records with a text and an optional label: JSON Lines, tables (Parquet, Arrow), and Python iterables.

One record is one document.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from selftaught.data import tables
from selftaught.data.columns import label_column
from selftaught.data.folders import shown
from selftaught.data.groups import absent
from selftaught.data.text.files import How, NotText, blocks
from selftaught.errors import UserError

LONGEST = 1 << 28  # bytes of one record
GROUP = "group"
"""The column of groups, unless another is named. Records of one group stay on one side of a split."""
ROWS = 1024  # rows of a table that are read together

KINDS: dict[str, Any] = {"string": str, "list of tokens": list | tuple, "mapping": Mapping}


class Record(NamedTuple):
    """A text, its position in the data, its label as it was found (None = unknown), its group, and the label's field.

    "" = there is none.
    """

    text: str
    where: str
    label: Any = None
    group: str = ""
    column: str = ""


class Bad(NamedTuple):
    """A record that cannot be read: its position in the data, and why."""

    where: str
    reason: str


def lines(path: Path, how: How) -> Iterator[Record | Bad]:
    """Yield the objects of a JSON Lines file; a line that is no object, or has no text, is bad."""
    for number, line in enumerate(lines_of(path, how), 1):
        if not line.strip():
            continue
        where = f"{shown(str(path))}: line {number}"
        try:
            record = json.loads(line.decode())
        except UnicodeDecodeError as error:
            yield Bad(
                where,
                f"not UTF-8 (byte {line[error.start]:02x}): name the --encoding, or replace it with --errors replace",
            )
        except (ValueError, RecursionError) as error:
            yield Bad(where, f"not JSON ({str(error)[:100]})")
        else:
            if isinstance(record, dict):
                yield _checked(record, where, how)
            else:
                yield Bad(where, f'not a JSON object, but {type(record).__name__}: write {{"{how.column}": ...}}')


def lines_of(path: Path, how: How) -> Iterator[bytes]:
    """Yield the lines of a file without their ends. Raises NotText for one of more than `LONGEST` bytes."""
    left: list[bytes] = []
    size = 0
    for block in blocks(path, how.errors, how.encoding):
        first, *rest = block.split(b"\n")
        left.append(first)
        size += len(first)
        if rest:
            yield b"".join(left)
            yield from rest[:-1]
            left, size = [rest[-1]], len(rest[-1])
        if size > LONGEST:
            raise NotText(f"{shown(str(path))}: a line of more than {LONGEST:,} bytes: check that this is JSON Lines")
    yield b"".join(left)


def _no_column(column: str, known: list[str]) -> str:
    there = ", ".join(shown(name) for name in known[:20]) or "nothing"
    return f"there is no column '{column}', but {there}: select the text column with --data.column"


def _checked(record: Mapping[str, Any], where: str, how: How) -> Record | Bad:
    if how.group is not None and how.group not in record:
        raise absent(how.group, where, [shown(str(name)) for name in record][:20])
    if how.column not in record:
        return Bad(where, _no_column(how.column, [str(name) for name in record]))
    text = record[how.column]
    if not isinstance(text, str):
        return Bad(where, f"'{how.column}' must be text, not {'null' if text is None else type(text).__name__}")
    name = how.label if how.label is not None else label_column(list(record)) or ""  # a record may lack the label
    own = record.get(how.group or GROUP, "")
    return Record(text, where, record.get(name), "" if own is None else str(own), name)


def rows(path: Path, how: How) -> Iterator[Record | Bad]:
    """Yield the rows of a table, which needs the extra [parquet]. Raises NotText if it is damaged, else UserError."""
    where, number = shown(str(path)), 0
    with tables.readable(where, NotText):
        known = tables.schema(path).names
        if how.column not in known:
            raise UserError(f"{where}: {_no_column(how.column, known)}")
        if how.group is not None and how.group not in known:
            raise absent(how.group, where, known)
        name = label_column(known, how.label, where)
        wanted = list(dict.fromkeys(one for one in (how.column, name or "", how.group or GROUP) if one in known))
        for batch in tables.batches(path, ROWS, wanted):
            found = [_values(batch.column(one), how) for one in wanted]
            for values in zip(*found, strict=True):
                number += 1
                yield _checked(dict(zip(wanted, values, strict=True)), f"{where}: row {number}", how)


def holds_text(path: Path) -> bool:
    """Return whether a table has a column of text, besides labels and groups, and no column of bytes.

    Images are in columns of bytes.
    """
    return tables.judged(path, _has_text)


def _has_text(schema: Any) -> bool:
    import pyarrow.types as types

    beside = (label_column(schema.names), GROUP)
    bytes_ = any(types.is_binary(f.type) or types.is_large_binary(f.type) or types.is_struct(f.type) for f in schema)
    texts = any(types.is_string(f.type) or types.is_large_string(f.type) for f in schema if f.name not in beside)
    return texts and not bytes_


def _values(column: Any, how: How) -> list[Any]:
    """Return the values of a column; bytes that are not UTF-8 are replaced, or passed on as lone surrogates."""
    import pyarrow

    try:
        found: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        found = [
            None if text is None else text.decode("utf-8", "replace" if how.errors == "replace" else "surrogateescape")
            for text in column.cast(pyarrow.large_binary()).to_pylist()
        ]
    return found


def objects(data: Iterable[Any], how: How) -> Iterator[Record | Bad]:
    """Yield records from strings, lists of tokens (joined by spaces), or mappings as in a JSON Lines file.

    None is bad, as a mapping without text is. Raises UserError for values of other types, or of several.
    """
    first = ""
    for number, value in enumerate(data):
        where = f"record {number}"
        if value is None:
            yield Bad(where, "must be text, not None")
            continue
        kind = next((name for name, kinds in KINDS.items() if isinstance(value, kinds)), "")
        if not kind:
            raise UserError(f"{where}: must be a string or a list of tokens, not {type(value).__name__}")
        if kind != (first := first or kind):
            raise UserError(f"{where}: is a {kind}, but the first is a {first}: give records of one type")
        if isinstance(value, Mapping):
            yield _checked(value, where, how)
        elif how.group is not None:
            raise absent(how.group, where, ())
        else:
            yield Record(value if isinstance(value, str) else _joined(value, where), where)


def _joined(tokens: list[Any] | tuple[Any, ...], where: str) -> str:
    for token in tokens:
        if not isinstance(token, str):
            raise UserError(f"{where}: a token must be a string, not {type(token).__name__}")
        if token.split() != [token]:
            raise UserError(
                f"{where}: the token {token[:40]!r} is empty or contains white space: write one word, or join its "
                "parts with '_'"
            )
    return " ".join(tokens)
