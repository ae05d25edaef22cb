"""The page in headless Chromium, with a real pointer: no error, no request, and everything answers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from report import made
from report.browser import PAINTED, Browser, driven, place

from selftaught import report

pytestmark = driven


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, network = made.Stripes(), made.encoder()
    run = made.full(tmp_path_factory.mktemp("report") / "run")
    return report.write(run, encoder=network, method=made.Flip(network), source_train=source, source_test=source)


@pytest.fixture
def drawn() -> str:
    return "return document.querySelector('.sample .thumb') !== null"


def apart(browser: Browser) -> int:
    """A sample that is not chosen yet and that no other covers."""
    script = """
    for (let i = 0; i < scatter.n; i++)
      if (i !== scatter.chosen && scatter.find(...scatter.screen(i)) === i) return i"""
    return int(browser.run(script))


def test_charts_and_map_are_drawn(opened: Browser) -> None:
    assert opened.run("return document.querySelectorAll('#curves canvas').length") == 8
    assert opened.run(PAINTED, "#curves canvas") > 500
    assert opened.run(PAINTED, "#efficiency canvas") > 500
    assert opened.run(PAINTED, ".scatter") > 500
    assert opened.run("return document.querySelectorAll('#saw img').length") == 32
    assert opened.run("return [...document.images].every((i) => i.complete && i.naturalWidth > 0)")


def test_the_table_says_who_won(opened: Browser) -> None:
    rows = opened.run(
        "return [...document.querySelectorAll('#probe tbody tr')].map((r) => r.innerText.split(/\\s*\\t\\s*/))"
    )
    assert rows[0] == ["Linear probe", "90.3", "87.6", "84.6", "+2.7"]
    assert rows[1] == ["Nearest neighbours", "80.0", "81.5", "79.0", "−1.5"]
    assert rows[2] == ["10 labels a class", "70.0±2.0", "65.0±2.0", "60.0±2.0", "+5.0"]
    verdict = opened.run("return document.getElementById('verdict').innerText")
    assert "90.3% accuracy, 2.7 points more than the same encoder untrained" in verdict


def test_hostile_names_are_text(opened: Browser) -> None:
    assert made.EVIL in opened.run("return document.querySelector('.legend').innerText")
    assert made.EVIL in opened.run("return document.getElementById('warnings').innerText")
    assert opened.run("return document.title").endswith(
        f"on data{made.EVIL.replace('/', '')} · selftaught".replace("data", "", 1)
    )


def test_notes_stand_below_their_pictures(opened: Browser) -> None:
    figures = "[...document.querySelectorAll('#shows .noted')]"
    assert opened.run(f"return {figures}.every((f) => f.children[0].tagName === 'IMG' && f.children.length === 2)")
    assert opened.run(f"return {figures}.map((f) => f.children[1].textContent)") == [made.EVIL] * 8
    assert opened.run("return document.querySelectorAll('#saw .noted').length") == 0


def test_hover_shows_the_sample_and_click_keeps_it_with_its_neighbours(opened: Browser) -> None:
    i = apart(opened)
    opened.point(*place(opened, i))
    assert opened.run("return document.querySelector('.tip').hidden") is False
    assert opened.run(PAINTED, ".tip canvas") > 0
    opened.point(*place(opened, i), click=True)
    assert opened.run("return scatter.chosen") == i
    number = opened.run("return scatter.index[arguments[0]]", i)
    assert f"sample {number}" in opened.run("return document.querySelector('.sample').innerText")
    shown = opened.run("return [...document.querySelectorAll('.sample .near button')].map((b) => b.title)")
    expected = opened.run("return scatter.neighbours(arguments[0]).map(({j}) => scatter.index[j])", i)
    assert len(shown) == 8
    assert all(f"sample {number}, cosine" in title for number, title in zip(expected, shown, strict=True))
    opened.run("document.querySelector('.sample .near button').click()")
    assert opened.run("return scatter.index[scatter.chosen]") == expected[0]


def test_zoom_move_keys_and_layouts(opened: Browser) -> None:
    x, y = place(opened, apart(opened))
    opened.wheel(x, y, -300)
    assert opened.run("return scatter.zoom") == 1  # the page scrolls until the map was chosen
    x, y = place(opened, apart(opened))
    opened.point(x, y, click=True)
    under = opened.run("return scatter.chosen")
    opened.wheel(x, y, -600)
    assert opened.run("return scatter.zoom") > 2
    assert place(opened, under) == pytest.approx((x, y), abs=1.5)  # what was under the pointer still is
    opened.press("0", "n")
    assert opened.run("return [scatter.zoom, scatter.chosen]") == [1, (under + 1) % 150]
    opened.press("\ue00c")  # Escape
    assert opened.run("return scatter.chosen") is None
    names = opened.run("return [...document.querySelectorAll('.layouts input')].map((i) => i.value)")
    assert names[0] == "PCA"
    opened.run("document.querySelector('.layouts input').click()")
    opened.wait("return scatter.at === scatter.places.PCA")
    before = opened.run(PAINTED, ".scatter")
    opened.run("document.querySelector('.legend button').click()")
    opened.wait("return !scatter.waiting")
    assert opened.run("return document.querySelector('.legend button').getAttribute('aria-pressed')") == "false"
    assert opened.run(PAINTED, ".scatter") < before


def test_hovering_a_curve_reads_its_values(opened: Browser) -> None:
    box = """
    const b = document.querySelector('#curves .u-over'); b.scrollIntoView({block: 'center', behavior: 'instant'});
    const r = b.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]"""
    opened.point(*opened.run(box))
    said = opened.run("return [...document.querySelectorAll('#curves .readout')].map((p) => p.innerText)")
    assert said[0].startswith("step 100: 1.83")
    assert said[1] == "step 100: 25.0% · chance 10.0%"  # all charts share the cursor


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (820, False)])
def test_narrow_and_dark(opened: Browser, width: int, dark: bool) -> None:
    opened.look(width, 844, dark=dark, phone=width < 500)
    opened.wait("return !scatter.waiting")
    assert opened.run("return document.documentElement.scrollWidth") <= width
    assert opened.run(PAINTED, ".scatter") > 500
    paper = opened.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) < 200) is dark


def test_names_for_those_who_cannot_see(opened: Browser) -> None:
    nameless = """
    return [...document.querySelectorAll('button, [role=img], [role=application], canvas[tabindex], img')]
      .filter((n) => !(n.getAttribute('aria-label') || n.getAttribute('alt') || n.textContent.trim())).length"""
    assert opened.run(nameless) == 0
    levels = opened.run("return [...document.querySelectorAll('h1, h2, h3')].map((h) => Number(h.tagName[1]))")
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_a_bare_run_names_the_commands(session: Browser, tmp_path: Path) -> None:
    session.open(report.write(made.bare(tmp_path / "run")))
    said = "[...document.querySelectorAll('.absent')].map((s) => s.id + ': ' + s.querySelector('.missing').innerText)"
    absent: list[str] = session.run(f"return {said}")
    assert [text.partition(":")[0] for text in absent] == ["result", "map", "learning", "saw"]
    for text, verb in zip(absent, ("probe", "report", "resume", "report"), strict=True):
        assert f"selftaught {verb} " in text
    assert session.log("browser") == []
