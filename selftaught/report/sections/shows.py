"""What a method makes of some samples, where it can show that: rebuilt pictures, say, or the turns to be told apart."""

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
    """For a method that obeys `Shows`, with samples to show it on."""
    return page.method is not None and isinstance(page.method, Shows) and page.shown is not None


def data(page: Page) -> dict[str, Any] | None:
    """``{"rows": [row]}``, see `packed`; None where the method shows nothing of these samples."""
    if page.shown is None or page.method is None or not isinstance(page.method, Shows):
        return None
    *_, batch = few(page.method, page.shown)
    with frozen(page.method):
        rows = [packed(row) for row in page.method.show(**batch)]
    return {"rows": rows} if rows else None
