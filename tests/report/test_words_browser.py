"""The page of word vectors in headless Chromium: drawn, searched, hovered, in the dark and on a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from report import made, made_words
from report.browser import PAINTED, Browser, driven, place

from selftaught import report

pytestmark = driven


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.write(
        made_words.full(tmp_path_factory.mktemp("words") / "run"), encoder=made_words.network(), points=90
    )


@pytest.fixture
def drawn() -> str:
    return "return scatter !== null && document.querySelector('#capitals-picture svg') !== null"


def text(opened: Browser, where: str) -> str:
    return str(opened.run("return document.querySelector(arguments[0]).innerText", where))


def test_it_is_a_page_of_words(opened: Browser) -> None:
    assert opened.run(PAINTED, ".scatter") > 500
    assert opened.run("return document.querySelectorAll('#capitals-picture line').length") == 10
    assert opened.run("return document.querySelectorAll('#capitals-picture circle').length") == 20
    assert opened.run("return document.querySelectorAll('#capitals-picture text').length") > 10
    assert opened.run("return document.querySelectorAll('#curves canvas').length") == 2
    assert opened.run("return ['map', 'saw', 'shows', 'result'].every((id) => document.getElementById(id) === null)")
    assert opened.run(
        "return [...document.querySelectorAll('nav a')].every((a) => document.querySelector(a.getAttribute('href')))"
    )
    assert "7 documents of letters: 40 steps in 12 s, 812,346 words per second." in text(opened, "#lede")
    assert "pixels" not in text(opened, "body")


def test_the_table_stands_beside_the_untrained(opened: Browser) -> None:
    rows = opened.run(
        "return [...document.querySelectorAll('#words-table tbody tr')].map((r) => r.innerText.split(/\\s*\\t\\s*/))"
    )
    assert rows[0] == ["WordSim-353, rank correlation × 100", "61.3", "3.0", "+58.3", "340of 353"]
    assert rows[1][1:4] == ["−2.0", "−3.5", "+1.5"]
    assert rows[3] == ["analogies of meaning", "–", "–", "–", "0of 8,869"]
    assert "similarity is 0.61 (untrained 0.03)" in text(opened, "#words-verdict")
    assert "25.0% are answered correctly" in text(opened, "#words-verdict")
    assert made.EVIL in str(opened.run("return document.getElementById('words-sections').textContent"))


def test_hover_shows_the_neighbours_and_click_keeps_the_word(opened: Browser) -> None:
    assert text(opened, ".sample .big") == "france"
    opened.point(*place(opened, 5))
    assert opened.run("return document.querySelector('.tip').hidden") is False
    assert made.EVIL in text(opened, ".tip")
    assert len(text(opened, ".tip .nearby").split(", ")) == 5
    opened.point(*place(opened, 5), click=True)
    assert text(opened, ".sample .big") == made.EVIL
    assert "word 6 by frequency, seen 1,150 times" in text(opened, ".sample")
    words = made_words.network().word_vectors()
    from selftaught.evaluate.words import nearest

    shown = opened.run("return [...document.querySelectorAll('.sample .words .word')].map((n) => n.textContent)")
    assert shown == [word for word, _ in nearest(words, made.EVIL, 8)]


def test_a_neighbour_on_the_map_can_be_followed_and_another_cannot(opened: Browser) -> None:
    for i in range(made_words.SHOWN):
        opened.run("scatter.choose(arguments[0])", i)
        on = opened.run(
            "return [...document.querySelectorAll('.sample .words li')].map((n) => n.querySelector('button') !== null)"
        )
        near = opened.run("return scatter.neighbours(arguments[0]).map(({ j }) => j < scatter.n)", i)
        assert on == near
    opened.run("scatter.choose(20)")
    first = text(opened, ".sample .words button .word")
    opened.run("document.querySelector('.sample .words button').click()")
    assert text(opened, ".sample .big") == first


def test_a_word_is_found_whatever_its_case(opened: Browser) -> None:
    ask = "document.querySelector('.find').value = arguments[0]; document.querySelector('.finder').requestSubmit()"
    opened.run("scatter.scale(4)")
    opened.run(ask, "ITALY")
    assert text(opened, ".sample .big") == "italy"
    assert (
        opened.run(
            "const [x, y] = scatter.screen(22); return Math.hypot(x - scatter.width / 2, y - scatter.height / 2)"
        )
        < 1
    )
    opened.run(ask, "zebra")
    assert "“zebra” is not on this map" in text(opened, ".finder .note")
    assert text(opened, ".sample .big") == "italy"


def test_groups_hide(opened: Browser) -> None:
    opened.run("scatter.choose(null)")
    opened.wait("return !scatter.waiting")
    before = opened.run(PAINTED, ".scatter")
    opened.run("[...document.querySelectorAll('.legend button')].at(-1).click()")
    opened.wait("return !scatter.waiting")
    assert opened.run(PAINTED, ".scatter") < before / 20


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, True)])
def test_it_fits_a_phone_and_the_dark(opened: Browser, width: int, dark: bool) -> None:
    opened.look(width, 844, dark=dark, phone=width < 500)
    opened.wait("return !scatter.waiting")
    assert opened.run("return document.documentElement.scrollWidth") <= width
    assert opened.run(PAINTED, ".scatter") > 500
    inside = """
    const box = document.getElementById('capitals-picture').getBoundingClientRect();
    return [...document.querySelectorAll('#capitals-picture text')].every((t) => {
      const r = t.getBoundingClientRect(); return r.left >= box.left - 2 && r.right <= box.right + 2; })"""
    opened.wait("return document.querySelector('#capitals-picture svg').clientWidth <= innerWidth")
    assert opened.run(inside)
    ink = opened.run("return getComputedStyle(document.querySelector('#capitals-picture text')).fill")
    assert (sum(map(int, ink[4:-1].split(","))) > 400) is dark


def test_a_run_that_was_not_judged_names_the_command(session: Browser, tmp_path: Path) -> None:
    session.open(report.write(made_words.run(tmp_path / "run"), encoder=made_words.network()))
    session.wait("return scatter !== null")
    absent = session.run("return [...document.querySelectorAll('.absent')].map((s) => s.id + ': ' + s.innerText)")
    assert [line.partition(":")[0] for line in absent] == ["word_tests"]
    assert "selftaught probe " in absent[0]
    assert "labels" not in absent[0]
