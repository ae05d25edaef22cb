"""Some samples, and the random views of them that training uses."""

from __future__ import annotations

from typing import Any

from selftaught.method import Method, Source
from selftaught.report.page import Page
from selftaught.report.shown import Row, few, packed, shown

ORDER = 70
TITLE = "What the method was shown"
NAV = "What it saw"
MISSING = (
    "There are no example views, because the data was not available or cannot be shown. {report} adds them if it can."
)


def suits(page: Page) -> bool:
    """For encoders of samples."""
    return not page.worded


def data(page: Page) -> dict[str, Any] | None:
    """``{"rows": [row]}``, see `views`; None if there is nothing to show."""
    if page.method is None or page.seen is None:
        return None
    rows = views(page.method, page.seen)
    return {"rows": rows} if rows else None


def views(method: Method, source: Source) -> list[Row]:
    """Return the samples, if they can be shown, then each view that the method gets of them in epoch 0."""
    index, raw, batch = few(method, source)
    seen = method.encoder.spec["input"]
    originals = shown(raw, seen, len(index))
    first = [packed(row, "original" if len(originals) == 1 else row.name) for row in originals]
    return first + [packed(row) for row in shown(batch, seen, len(index))]
