"""The verbs that look around: methods, data, doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from selftaught.cli import checks
from selftaught.cli.judge import Json
from selftaught.cli.output import remark, show, show_json, table


def methods(*, json_: Json = False) -> None:
    """List the methods; 'selftaught pretrain METHOD --help' tells more of one."""
    from selftaught import methods as known

    specs = [known.describe(name) for name in known.names()]
    if not json_:
        table([{"method": s.name, "idea": s.folder or "reference", "in one sentence": s.title} for s in specs], left=_METHOD_COLUMNS)
        return
    parts = ("name", "folder", "title", "doc", "recipe")
    rows = [{part: getattr(s, part) for part in parts} for s in specs]
    show_json([
        {**row, "citation": _citation(row["doc"]), "arguments": [asdict(argument) for argument in spec.arguments]}
        for row, spec in zip(rows, specs, strict=True)
    ])  # fmt: skip


_METHOD_COLUMNS = ("method", "idea", "in one sentence")


def _citation(doc: str) -> str:
    """The first sentence-like paragraph after the title that names a year: the docstring's source."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in doc.split("\n\n")[1:]]
    return next((p for p in paragraphs if any(f"{century}" in p for century in (" 19", " 20", "arXiv"))), "")


def data(name: str | None = None, /, *, json_: Json = False) -> None:
    """List the data sets, or fetch one and tell about it.

    Args:
        name: A data set of the list.
    """
    from selftaught.data import catalog

    if name is not None:
        news = catalog.fetching(name)
        if news:
            remark(news)
        found = catalog.describe(name)
        if json_:
            show_json(found)
        else:
            _tell(found)
        return
    entries = catalog.names()
    if json_:
        show_json([asdict(entry) for entry in entries])
        return
    rows = [
        {"data": e.name, "kind": e.kind, "what": e.what, "size": e.size, "licence": e.licence, "here": "yes" if e.cached else "no"}
        for e in entries
    ]
    table(rows, left=("data", "kind", "what", "size", "licence", "here"))


def _tell(found: dict[str, Any]) -> None:
    for key, value in found.items():
        if isinstance(value, dict) and "words" in value:
            parts = ("documents", "sentences", "words")
            show(f"{key}: {', '.join(f'{value[part]:,} {part}' for part in parts)}, {value['distinct']:,} distinct words")
            show(f"most frequent: {' '.join(value['frequent'])}")
        elif isinstance(value, dict):
            show(f"{key}: {value['samples']:,} samples, {value['channels']} channels, size {value['image_size'] or 'varies'}")
        elif value:
            show(f"{key}: {', '.join(value) if isinstance(value, list) else value}")


def doctor(*, json_: Json = False) -> int:
    """Check this installation, and say how to mend what is wrong."""
    found = checks.every()
    if json_:
        show_json([asdict(check) for check in found])
    else:
        table([{"": _MARKS[c.state], "check": c.name, "found": c.found} for c in found], left=("", "check", "found"))
        for check in found:
            if check.mend:
                remark(f"{check.name}: {check.mend}")
    return 1 if any(check.state == "broken" for check in found) else 0


_MARKS = {"fine": "ok", "note": "--", "broken": "!!"}
