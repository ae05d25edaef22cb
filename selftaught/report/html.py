"""Write RUN/report.html: one file about a run that opens without a network."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selftaught.method import Encoder, Method, Source
from selftaught.report import about, sections
from selftaught.report.page import Page
from selftaught.report.sections import Section
from selftaught.run import RunFolder, to_json, write_atomically

ASSETS = Path(__file__).parent / "assets"


def write(
    run_folder: RunFolder | str | Path,
    *,
    encoder: Encoder | None = None,
    method: Method | None = None,
    source_train: Source | None = None,
    source_test: Source | None = None,
    points: int = 3000,
) -> Path:
    """Write RUN/report.html and return its path.

    Configuration, curves, the probe and warnings come from the folder. The map needs `encoder` and a source
    (`source_test`, or `source_train` if there is no held-out part). Example views need `method` and a source. If
    something is missing, the page names the command that adds it. For an encoder with word vectors the map shows words,
    which needs no source.

    Args:
        run_folder: The run.
        encoder: The trained encoder; its mode is restored.
        method: The method, for its views and what it can show.
        source_train: The training data.
        source_test: Held-out data.
        points: Largest number of samples on the map; for words, two thirds of it. 3,000 keep the page under about 1.5
            MB.

    Raises:
        UserError: If the folder is not a run.
    """
    run = run_folder if isinstance(run_folder, RunFolder) else RunFolder.open(Path(run_folder))
    page = Page(run, encoder, method, source_train, source_test, points)
    told = [(section, section.data(page)) for section in sections.found() if section.suits(page)]
    there = [(section, data) for section, data in told if data is not None or section.missing]
    path = Path(run.path) / "report.html"
    head = {"title": about.title(page), "facts": about.facts(page), "commands": about.commands(page)}
    write_atomically(path, fill(head, there).encode())
    return path


def fill(head: Mapping[str, Any], told: Sequence[tuple[Section, dict[str, Any] | None]]) -> str:
    """Fill the page. User text cannot end the script element, because <, > and & are escaped in the JSON."""
    title, commands = head["title"], head["commands"]
    values = to_json({**head, "sections": {section.name: data for section, data in told}}, indent=None).decode().strip()
    for sign in "<>&":
        values = values.replace(sign, f"\\u{ord(sign):04x}")
    links = [f'<a href="#{section.name}">{html.escape(section.nav)}</a>' for section, _ in told if section.nav]
    parts = {
        "title": html.escape(title),
        "chart_style": asset("uPlot.min.css"),
        "style": asset("page.css") + "".join(section.style for section, _ in told),
        "links": "\n    ".join(links),
        "sections": "\n".join(element(section, data is not None, commands) for section, data in told),
        "data": values,
        "chart_script": asset("uPlot.iife.min.js"),
        "script": "".join(asset(name) for name in ("page.js", "charts.js", "map.js", "shown.js")),
        "drawing": "\n".join(f'<script>"use strict"; {{\n{section.script}}}</script>' for section, _ in told),
    }
    # split before filling, so that inserted text is never read as a template
    start, *rest = asset("page.html").split("{{")
    return start + "".join(parts[name] + tail for name, _, tail in (piece.partition("}}") for piece in rest))


def element(section: Section, has: bool, commands: Mapping[str, str]) -> str:
    """Return a section before it is drawn: its heading, and its markup or the message for missing data."""
    name, title = section.name, html.escape(section.title)
    inside = section.markup.rstrip() if has else f'  <p class="missing">{named(section.missing, commands)}</p>'
    absent = "" if has else ' class="absent"'
    heading = f'<h2 id="{name}-title">{title}</h2>'
    return f'<section id="{name}"{absent} aria-labelledby="{name}-title">\n{heading}\n{inside}\n</section>'


def named(text: str, commands: Mapping[str, str]) -> str:
    """Return text as markup, with command names in braces replaced by the commands."""
    pieces = [html.escape(piece) for piece in re.split(r"\{(\w+)\}", text)]  # text, name, text, name, ...
    pieces[1::2] = [f"<code>{html.escape(commands[name])}</code>" for name in pieces[1::2]]
    return "".join(pieces)


def asset(name: str) -> str:
    """Return the text of one of the page's own files."""
    return (ASSETS / name).read_text(encoding="utf-8")
