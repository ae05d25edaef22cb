"""The section of acting in headless Chromium: films that play, and a curve with its band."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report import made_agent
from report.browser import PAINTED, Browser, driven

from selftaught import report
from selftaught.data.agent import toy

pytestmark = driven


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    method = made_agent.learned()
    return report.write(
        made_agent.run(tmp_path_factory.mktemp("acting") / "run"), encoder=method.encoder, method=method,
        source_train=toy.source(8),
    )  # fmt: skip


@pytest.fixture
def drawn() -> str:
    return "return document.querySelector('#run dd') !== null && document.querySelector('#acting canvas') !== null"


def test_films_play_stop_and_end(opened: Browser) -> None:
    said = "[...document.querySelectorAll('#acting-films figcaption span')].map((node) => node.textContent)"
    assert all(line.startswith("moment 1 of ") for line in opened.run(f"return {said}"))
    opened.wait("return document.querySelector('#acting-films canvas').width === 5")
    opened.wait(f"return (() => {{ {PAINTED.replace('arguments[0]', json.dumps('#acting-films canvas'))} }})() === 25")
    button = "document.querySelector('#acting-button')"
    assert opened.run(f"{button}.click(); return {button}.textContent") == "Pause"
    opened.wait(f"return {button}.textContent === 'Play'")
    assert all(line.endswith("over") for line in opened.run(f"return {said}"))
    opened.run("const s = document.querySelector('#acting-moment'); s.value = 0; s.dispatchEvent(new Event('input'))")
    assert all(line.startswith("moment 1 of ") for line in opened.run(f"return {said}"))


def test_the_curve_has_its_band_and_what_has_not_learned_beside_it(opened: Browser) -> None:
    assert opened.run(PAINTED, "#acting-chart canvas") > 1000
    keys = opened.run("return [...document.querySelectorAll('#acting-key span:not(.dot)')].map((n) => n.textContent)")
    assert keys == ["while it learned", "untrained", "at random"]
    cells = opened.run("return [...document.querySelectorAll('#acting td')].map((n) => n.textContent)")
    assert cells[:4] == ["mean return", "2.5", "1.5", "0.5"]
    said = opened.run("return document.querySelector('#acting-chart').getAttribute('aria-label')")
    assert said.startswith("The return goes from ") and said.endswith("untrained it is 1.5; at random it is 0.5")
    assert opened.run("return document.documentElement.scrollWidth") <= 1280
