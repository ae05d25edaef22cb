"""The warnings of the diagnostics during training, at the top of the page."""

from __future__ import annotations

from typing import Any

from selftaught.report.page import Page

ORDER = 0
TITLE = "Please look at this first"
NAV = ""
MISSING = ""


def suits(page: Page) -> bool:
    """Always shown."""
    return True


def data(page: Page) -> dict[str, Any] | None:
    """``{"warnings": [warning]}``, see `warnings`; None if there are none."""
    found = warnings(page.metrics)
    return {"warnings": found} if found else None


def warnings(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the warnings of diagnostics: ``{"text", "first", "last", "times"}``, each sentence once."""
    found: dict[str, dict[str, Any]] = {}
    for line in metrics:
        texts = line.get("warning") or []
        for text in [texts] if isinstance(texts, str) else texts:
            entry = found.setdefault(
                str(text), {"text": str(text), "first": line.get("step"), "last": None, "times": 0}
            )
            entry["last"] = line.get("step")
            entry["times"] += 1
    return list(found.values())
