"""RUN/report.html: everything about a run in one file that opens without a network."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selftaught.method import Encoder, Method, Source
from selftaught.parts.word_vectors import Worded
from selftaught.report import about, curves, judged, pictures, words
from selftaught.report.scatter import scatter
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

    Config, curves, the probe and warnings come from the folder. The map needs `encoder` and a source (`source_test`, or
    `source_train` where nothing is held out); example views need `method` and a source. What is missing is left out, and
    the page says which command adds it. Of an encoder of text the map is one of its words, and takes no source.

    Args:
        run_folder: The run.
        encoder: The trained encoder; its mode is restored.
        method: The method, for the views that it saw and the pictures that it can show.
        source_train: What it was trained on.
        source_test: What it never saw.
        points: Most samples on the map; of words two thirds of it. 3,000 keep the page under about 1.5 MB.

    Raises:
        UserError: When the folder is not a run.
    """
    run = run_folder if isinstance(run_folder, RunFolder) else RunFolder.open(Path(run_folder))
    text = encoder is not None and encoder.spec["input"].get("kind") == "text"
    data = {
        **about.run(run, source_train),
        "kind": "text" if text else "images",
        "panels": curves.panels(run.metrics()),
        "warnings": curves.warnings(run.metrics()),
        "probe": judged.table(run.summary.get("probe"), source_train),
        "words": words.judged(run.summary.get("words")),
        **(_of_text(encoder, points) if text else _of_images(encoder, method, source_train, source_test, points)),
    }
    path = Path(run.path) / "report.html"
    write_atomically(path, fill(data).encode())
    return path


def _of_text(encoder: Encoder | None, points: int) -> dict[str, Any]:
    """The map of the words and the picture of the capitals."""
    vectors = encoder.word_vectors() if isinstance(encoder, Worded) else None
    drawn = words.word_map(vectors, 2 * points // 3) if vectors is not None else None
    return {"map": drawn, "capitals": words.capitals(vectors) if vectors is not None else None, "views": None, "shows": None}


def _of_images(
    encoder: Encoder | None, method: Method | None, source_train: Source | None, source_test: Source | None, points: int
) -> dict[str, Any]:
    """The map of the samples, and what the method saw and shows of them."""
    held_out = source_test if source_test is not None and len(source_test) else None
    shown = held_out if held_out is not None else source_train
    seen = source_train if source_train is not None else source_test
    return {
        "map": scatter(encoder, shown, points, held_out is not None) if encoder is not None and shown is not None else None,
        "capitals": None,
        "views": pictures.views(method, seen) if method is not None and seen is not None else None,
        "shows": pictures.shows(method, shown) if method is not None and shown is not None else None,
    }


def fill(data: Mapping[str, Any]) -> str:
    """The page with `data` in it. No text of a user's can end the script element: <, > and & are escaped in the JSON."""
    values = to_json(data, indent=None).decode().strip()
    for sign in "<>&":
        values = values.replace(sign, f"\\u{ord(sign):04x}")
    parts = {
        "title": html.escape(str(data["title"])),
        "chart_style": asset("uPlot.min.css"),
        "style": asset("page.css"),
        "chart_script": asset("uPlot.iife.min.js"),
        "script": "".join(asset(name) for name in ("charts.js", "map.js", "words.js", "page.js")),
        "data": values,
    }
    head, *rest = asset("page.html").split("{{")  # split first, fill once: what is filled in is never read as a template
    return head + "".join(parts[name] + tail for name, _, tail in (piece.partition("}}") for piece in rest))


def asset(name: str) -> str:
    """The text of one of the page's own files."""
    return (ASSETS / name).read_text(encoding="utf-8")
