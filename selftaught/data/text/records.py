"""Records with a text and an optional label: JSON Lines, Parquet, and Python iterables.

One record is one document.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from selftaught.data.columns import label_column
from selftaught.data.folders import shown
from selftaught.data.text.files import How, NotText, blocks
from selftaught.errors import UserError

LONGEST = 1 << 28  # bytes of one record
GROUP = "group"
"""The column of groups. Records of one group stay on one side of a split."""
ROWS = 1024  # rows of a table that are read together

KINDS: dict[str, Any] = {"string": str, "list of tokens": list | tuple, "mapping": Mapping}


class Record(NamedTuple):
    """A text, its position in the data, its label (None = unknown), and its group ("" = none)."""

    text: str
    where: str
    label: Any = None
    group: str = ""


class Bad(NamedTuple):
    """A record that cannot be read: its position in the data, and why."""

    where: str
    reason: str


def lines(path: Path, how: How) -> Iterator[Record | Bad]:
    """Yield the objects of a JSON Lines file; a line that is no object, or has no text, is bad.

    Raises UserError, with file and line, for a label that is none.
    """
    for number, line in enumerate(_lines(path, how), 1):
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
                yield _checked(record, where, how.column)
            else:
                yield Bad(where, f'not a JSON object, but {type(record).__name__}: write {{"{how.column}": ...}}')


def _lines(path: Path, how: How) -> Iterator[bytes]:
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


def _checked(record: Mapping[str, Any], where: str, column: str) -> Record | Bad:
    if column not in record:
        return Bad(where, _no_column(column, [str(name) for name in record]))
    text, label = record[column], record.get(label_column(list(record)) or "")
    if not isinstance(text, str):
        return Bad(where, f"'{column}' must be text, not {'null' if text is None else type(text).__name__}")
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if not isinstance(label, str | int | None):
        raise UserError(f"{where}: a label must be a name or an integer, not {str(label)[:40]}")
    if isinstance(label, int) and not -1 <= label < 1 << 31:
        raise UserError(f"{where}: the label {str(label)[:40]} is out of range (-1 = unknown)")
    return Record(text, where, label, str(record.get(GROUP, "")))


def rows(path: Path, how: How) -> Iterator[Record | Bad]:
    """Yield the rows of a Parquet file, which needs the extra [parquet]. Raises UserError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError("reading Parquet needs pyarrow: pip install 'selftaught[parquet]'") from None
    where, number = shown(str(path)), 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            known = file.schema_arrow.names
            if how.column not in known:
                raise UserError(f"{where}: {_no_column(how.column, known)}")
            wanted = [name for name in (how.column, label_column(known) or "", GROUP) if name in known]
            for batch in file.iter_batches(ROWS, columns=wanted):
                columns = [_values(batch.column(name), how) for name in wanted]
                for values in zip(*columns, strict=True):
                    number += 1
                    yield _checked(dict(zip(wanted, values, strict=True)), f"{where}: row {number}", how.column)
    except (pyarrow.ArrowException, OSError) as error:
        raise NotText(
            f"{where}: cannot be read as Parquet: {(str(error).splitlines() or ['damaged'])[0][:200]}"
        ) from None


def holds_text(path: Path) -> bool:
    """Return whether a Parquet file has a column of text, besides labels and groups, and no column of bytes.

    Images are in columns of bytes.
    """
    try:
        import pyarrow.parquet
        import pyarrow.types as types
    except ImportError:
        return True  # unknown; reading the file gives the error message
    try:
        schema = pyarrow.parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError):
        return True
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


def objects(data: Iterable[Any], column: str) -> Iterator[Record | Bad]:
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
            yield _checked(value, where, column)
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
