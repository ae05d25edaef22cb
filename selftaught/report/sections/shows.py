"""Outputs of a method for some samples, if it can show them, such as reconstructions or rotations."""

from __future__ import annotations

from typing import Any

from selftaught.evaluate.embed import frozen
from selftaught.method import Shows
from selftaught.report.page import Page
from selftaught.report.shown import few, packed

ORDER = 80
TITLE = "What the method outputs"
NAV = ""
MISSING = ""


def suits(page: Page) -> bool:
    """For a method that obeys `Shows`, if there are samples."""
    return page.method is not None and isinstance(page.method, Shows) and page.shown is not None


def data(page: Page) -> dict[str, Any] | None:
    """``{"rows": [row]}``, see `packed`; None if the method shows nothing for these samples."""
    if page.shown is None or page.method is None or not isinstance(page.method, Shows):
        return None
    *_, batch = few(page.method, page.shown)
    with frozen(page.method):
        rows = [packed(row) for row in page.method.show(**batch)]
    return {"rows": rows} if rows else None
