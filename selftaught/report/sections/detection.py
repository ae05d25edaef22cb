"""Held-out pictures with their boxes, and with those that the detector of a fine-tuned run found."""

from __future__ import annotations

from typing import Any

from selftaught.report.page import Page

ORDER = 16
TITLE = "What it finds in pictures that it was not trained on"
NAV = "Boxes"
MISSING = ""


def suits(page: Page) -> bool:
    """For runs with examples of boxes."""
    return data(page) is not None


def data(page: Page) -> dict[str, Any] | None:
    """The content of examples.json, see `evaluate.tasks.detection`, without pictures that are no data."""
    found = page.run.read_json("examples.json")
    if not isinstance(found, dict) or found.get("section") != "detection":
        return None
    rows = [row for row in found.get("rows", ()) if str(row.get("uri", "")).startswith("data:image/")]
    return {**found, "rows": rows} if rows else None
