"""A section of its own: how many moons the samples have."""

from __future__ import annotations

from typing import Any

from selftaught.report.page import Page

ORDER = 35
TITLE = "Moons & <planets>"
NAV = "Moons"
MISSING = "No moons: {report} counts them."


def suits(page: Page) -> bool:
    return page.run.config["method"].get("moons") is not False


def data(page: Page) -> dict[str, Any] | None:
    moons = page.run.config["method"].get("moons")
    return None if moons is None else {"moons": moons}
