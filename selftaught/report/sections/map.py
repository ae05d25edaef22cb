"""A map of the samples, held-out ones if there are any, with their neighbours."""

from __future__ import annotations

from typing import Any

from selftaught.report.page import Page
from selftaught.report.scatter import scatter

ORDER = 30
TITLE = "A map of the samples"
NAV = "Map"
MISSING = "There is no map yet. {report} draws it from the saved encoder and the data."


def suits(page: Page) -> bool:
    """For encoders of samples; an encoder with word vectors has a map of words instead."""
    return not page.worded


def data(page: Page) -> dict[str, Any] | None:
    """See `scatter`; None without an encoder or samples."""
    if page.encoder is None or page.shown is None:
        return None
    return scatter(page.encoder, page.shown, page.points, page.held_out)
