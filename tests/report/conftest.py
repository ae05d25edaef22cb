"""A browser for the pages of reports, and what every page must leave behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from report.browser import Browser, browser


@pytest.fixture(scope="module")
def session(chromium: str) -> Iterator[Browser]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, browser(Path(profile), chromium) as opened:
        yield opened


@pytest.fixture
def opened(session: Browser, page: Path, drawn: str) -> Iterator[Browser]:
    """`page` at desktop size, once the script `drawn` is true.

    Afterwards: no word on the console, no request, nothing broken out.
    """
    session.requests()  # what the browser's own first page asked for
    session.look(1280, 900)
    session.open(page)
    session.wait(drawn)
    yield session
    assert session.run("return window.broken === undefined && document.querySelector('img[src=x]') === null")
    assert [entry["message"] for entry in session.log("browser")] == []
    assert [url for url in session.requests() if not url.startswith(("file:", "data:", "chrome:"))] == []
