"""Recordings in headless Chromium: sound, and a line that moves with it over the slow features."""

from __future__ import annotations

from pathlib import Path

import pytest
from report.browser import Browser, driven

from selftaught import encoders, report
from selftaught.data.audio import toy
from selftaught.run import RunFolder

pytestmark = driven


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunFolder.create(tmp_path_factory.mktemp("recording") / "run", {"method": {"name": "cpc"}})
    encoder = encoders.build("wave", toy.seen(), width=12)
    return report.write(run, encoder=encoder, source_train=toy.source(40), source_test=toy.source(30, seed=1))


@pytest.fixture
def drawn() -> str:
    return "return scatter !== null && document.querySelectorAll('#recording audio').length === 3"


def test_the_line_is_where_the_sound_is(opened: Browser) -> None:
    opened.wait("return [...document.querySelectorAll('#recording audio')].every((a) => a.readyState > 0 && !a.error)")
    assert opened.run("return document.querySelector('#recording audio').duration") == pytest.approx(0.15)
    where = (
        "[...document.querySelectorAll('#recording .recording:first-of-type .now')].map((l) => l.getAttribute('x1'))"
    )
    assert opened.run(f"return {where}") == ["0", "0"]
    box = "const b = document.querySelector('#recording .over').getBoundingClientRect();"
    at = "{ bubbles: true, clientX: b.left + b.width * 0.6 }"
    opened.run(f"{box} document.querySelector('#recording .over').dispatchEvent(new MouseEvent('click', {at}))")
    opened.wait(f"return {where}.every((x) => Math.abs(x - 60) < 2)")
    lines = opened.run("return document.querySelectorAll('#recording .recording:first-of-type polyline').length")
    assert lines == 1 + 3
