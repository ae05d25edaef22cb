"""The verb that lists methods: methods."""

from __future__ import annotations

from dataclasses import asdict

from selftaught.cli.output import Json, show_json, table


def methods(*, json_: Json = False) -> None:
    """List the methods; 'selftaught pretrain METHOD --help' tells more of one."""
    from selftaught import methods as known

    specs = [known.describe(name) for name in known.names()]
    if not json_:
        rows = [
            {
                "method": s.name,
                "idea": s.folder or "reference",
                "sees": ", ".join(known.sees(s.name)),
                "in one sentence": s.title,
            }
            for s in specs
        ]
        table(rows, left=("method", "idea", "sees", "in one sentence"))
        return
    parts = ("name", "folder", "title", "doc", "recipe")
    show_json(
        [
            {part: getattr(spec, part) for part in parts}
            | {
                "sees": known.sees(spec.name),
                "citation": _citation(spec.doc),
                "arguments": [asdict(argument) for argument in spec.arguments],
            }
            for spec in specs
        ]
    )


def _citation(doc: str) -> str:
    """The first sentence-like paragraph after the title that names a year: the docstring's source."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in doc.split("\n\n")[1:]]
    return next((p for p in paragraphs if any(f"{century}" in p for century in (" 19", " 20", "arXiv"))), "")
