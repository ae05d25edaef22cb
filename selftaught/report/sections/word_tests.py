"""Word similarity and analogies compared with human judgements, with the untrained encoder as a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selftaught.evaluate.words import ordered, title
from selftaught.report.page import Page
from selftaught.report.values import number

ORDER = 10
TITLE = "Does it agree with people's judgements of words?"
NAV = "Words"
MISSING = (
    "There is no result yet. {probe} adds the word tests, with the same encoder untrained for comparison, "
    "and {report} updates this page."
)


def suits(page: Page) -> bool:
    """For encoders with word vectors, and for runs with results of word tests."""
    return page.worded or "words" in page.summary


def data(page: Page) -> dict[str, Any] | None:
    """See `judged`."""
    return judged(page.summary.get("words"))


def judged(words: Any) -> dict[str, Any] | None:
    """Return ``summary["words"]`` in the form of the page.

    It is {"rows", "sections": [{"name", "trained", "untrained", "used", "of"}], "protocol"}.
    """
    if not isinstance(words, Mapping):
        return None
    rows = [_row(title(key), words[key]) for key in ordered(words) if isinstance(words[key], Mapping)]
    sections = [_row(str(name), row) for name, row in words.get("sections", {}).items() if isinstance(row, Mapping)]
    protocol = [[str(key), str(value)] for key, value in words.get("protocol", {}).items()]
    return {"rows": rows, "sections": sections, "protocol": protocol} if rows else None


def _row(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name} | {key: number(row.get(key)) for key in ("trained", "untrained", "used", "of")}
