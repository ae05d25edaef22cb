"""Held-out texts with what is true of them, and what a run that was fine-tuned for a task of text says."""

from __future__ import annotations

from typing import Any

from selftaught.parts.shown import Table
from selftaught.report.page import Page
from selftaught.report.shown import packed

ORDER = 17
TITLE = "What it says of texts that it was not trained on"
NAV = "Answers"
MISSING = ""


def suits(page: Page) -> bool:
    """For runs with examples of answers."""
    return data(page) is not None


def data(page: Page) -> dict[str, Any] | None:
    """``{"rows": [table]}`` of examples.json, see `evaluate.texts.parts`; rows of other lengths are left out."""
    found = page.run.read_json("examples.json")
    if not isinstance(found, dict) or found.get("section") != "answers":
        return None
    columns = [str(column) for column in found.get("columns", ())]
    rows = [row for row in found.get("rows", ()) if isinstance(row, list) and len(row) == len(columns)]
    kept = [[cell if isinstance(cell, int | float) else str(cell) for cell in row] for row in rows]
    return {"rows": [packed(Table("held-out samples", columns, kept))]} if kept else None
