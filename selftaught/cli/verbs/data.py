"""The verb that lists data sets: data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from selftaught.cli.output import Json, remark, show, show_json, table


def data(name: str | None = None, /, *, json_: Json = False) -> None:
    """List the data sets, or fetch one and tell about it.

    Args:
        name: A data set of the list.
    """
    from selftaught.data import catalog
    from selftaught.data.told import same_name

    if name is not None:
        for line in same_name(name):
            remark(line)
        news = catalog.fetching(name)
        if news:
            remark(news)
        found = catalog.describe(name)
        if json_:
            show_json(found)
        else:
            _tell(found)
        return
    entries = catalog.entries()
    if json_:
        show_json([asdict(entry) for entry in entries])
        return
    rows = [
        {
            "data": e.name,
            "kind": e.kind,
            "what": e.what,
            "size": e.size,
            "licence": e.licence,
            "here": "yes" if e.cached else "no",
        }
        for e in entries
    ]
    table(rows, left=("data", "kind", "what", "size", "licence", "here"))


def _tell(found: dict[str, Any]) -> None:
    for key, value in found.items():
        if isinstance(value, dict):
            counts = [_counted(name, part) for name, part in value.items() if not isinstance(part, list | dict)]
            show(f"{key}: {', '.join(counts)}")
            for name, part in value.items():
                if isinstance(part, list):
                    show(f"{name.replace('_', ' ')}: {' '.join(map(str, part))}")
        elif value:
            show(f"{key}: {', '.join(value) if isinstance(value, list) else value}")


def _counted(name: str, value: Any) -> str:
    """60000 samples -> "60,000 samples"; of anything else the name first."""
    spoken = name.replace("_", " ")
    return f"{value:,} {spoken}" if type(value) is int else f"{spoken} {value or 'varies'}"
