"""What the command line prints: results on stdout, remarks on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

SWITCH: dict[str, Any] = {"negative": "", "show_default": False}
"""How a flag without a value is shown."""
Json = Annotated[bool, Parameter(name="--json", help="Print JSON instead of a table.", **SWITCH)]


def show(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{text}\n")


def remark(text: str) -> None:
    """A line that is not part of the result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def show_json(value: Any) -> None:
    """The result for a program: one JSON document, NaN as null."""
    show(json.dumps(_strict(value), indent=2, ensure_ascii=False))


def table(rows: Sequence[Mapping[str, Any]], *, left: Sequence[str] = ()) -> None:
    """Aligned columns, in the order of the first row's keys; columns named in `left` hold text, all others numbers."""
    if not rows:
        return
    cells = [{key: _cell(value) for key, value in row.items()} for row in rows]
    widths = {key: max(len(key), *(len(row.get(key, "")) for row in cells)) for key in cells[0]}
    for row in ({key: key for key in widths}, *cells):
        parts = [
            row.get(key, "").ljust(width) if key in left else row.get(key, "").rjust(width)
            for key, width in widths.items()
        ]
        show("  ".join(parts).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value
