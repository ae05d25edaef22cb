"""A page of an unknown kind with an unknown section, in headless Chromium, with everything that can be shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from report import made, toy
from report.browser import PAINTED, Browser, driven

from selftaught import report

pytestmark = driven


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    run = made.full(tmp_path_factory.mktemp("shown") / "run")
    run.write_config(run.config | {"method": run.config["method"] | {"moons": {made.EVIL: 2, "Mars": 2}}})
    with pytest.MonkeyPatch.context() as patch:
        toy.learn(patch)
        source, method = toy.Tones(), toy.Everything(made.EVIL)
        yield report.write(run, encoder=method.encoder, method=method, source_train=source, source_test=source)


@pytest.fixture
def drawn() -> str:
    return "return scatter !== null && document.querySelector('#run dd') !== null"


def test_the_new_section_is_drawn_in_its_place(opened: Browser) -> None:
    assert opened.run("return [...document.querySelectorAll('section')].map((s) => s.id)") == [
        "warnings", "result", "map", "moons", "learning", "saw", "shows", "run",
    ]  # fmt: skip
    lines = opened.run("return [...document.querySelectorAll('#moons li')].map((li) => li.textContent)")
    assert lines == [f"{made.EVIL}: 2", "Mars: 2"]
    assert opened.run("return getComputedStyle(document.querySelector('#moons li')).letterSpacing") == "3px"
    assert opened.run("return document.querySelector('#moons p').textContent").startswith("flip on ")
    assert opened.run("return document.querySelector('#moons h2').textContent") == "Moons & <planets>"
    assert opened.run(
        "return [...document.querySelectorAll('nav a')].every((a) => document.querySelector(a.getAttribute('href')))"
    )


def test_a_map_without_pictures(opened: Browser) -> None:
    assert opened.run(PAINTED, ".scatter") > 500
    assert opened.run("return document.querySelector('.pictures').parentElement.hidden")
    assert opened.run("return document.querySelectorAll('.thumb').length") == 0
    assert opened.run("return document.querySelectorAll('.sample .near button').length") == 8
    assert opened.run("return document.querySelector('#map h2').textContent") == "A map of held-out samples"


def test_curves_are_lines_with_gaps(opened: Browser) -> None:
    assert opened.run("return document.querySelectorAll('#shows .linechart svg').length") == 8
    first = "document.querySelector('#shows .linechart svg')"
    points = opened.run(f"return [...{first}.querySelectorAll('polyline')].map((p) => p.getAttribute('points'))")
    assert [len(line.split()) for line in points] == [200, 50, 140]  # the second line has a gap
    inside = opened.run(f"const b = {first}.getBBox(); return [b.x, b.y >= 1.9, b.x + b.width, b.y + b.height <= 38.1]")
    assert inside == [0, True, 100, True]
    colours = opened.run(f"return [...{first}.querySelectorAll('polyline')].map((p) => getComputedStyle(p).stroke)")
    assert colours[0] != colours[1] == colours[2]
    said = opened.run(f"return {first}.getAttribute('aria-label')")
    assert said.startswith("start, sample 1: 2 lines of 200 points, from −0.")


def test_sounds_can_be_played(opened: Browser) -> None:
    assert opened.run("return document.querySelectorAll('#saw audio').length") == 32
    assert opened.run("return document.querySelectorAll('#shows audio').length") == 8
    opened.wait("return [...document.querySelectorAll('audio')].every((a) => a.readyState > 0 && a.error === null)")
    assert opened.run("return document.querySelector('#shows audio').duration") == pytest.approx(0.1)
    assert opened.run("return document.querySelector('#shows .sound small').textContent") == "0.1 s"
    labels = opened.run("return [...document.querySelectorAll('#saw audio')].map((a) => a.getAttribute('aria-label'))")
    assert (labels[0], labels[-1]) == ("original, sample 1", "softer 2, sample 8")


def test_a_table_holds_text_and_numbers(opened: Browser) -> None:
    rows = "[...document.querySelectorAll('#shows tr')]"
    cells = opened.run(f"return {rows}.map((row) => [...row.children].map((cell) => cell.textContent))")
    assert cells == [["what", "how many", "share"], ["low", "20", "0.5"], [made.EVIL, "–", "−0.25"], ["last", "3", "–"]]
    assert opened.run("return document.querySelector('#shows .told h3').textContent") == made.EVIL.replace("_", " ")
    row = "document.querySelectorAll('#shows tbody tr:first-child td')"
    sides = opened.run(f"return [...{row}].map((c) => getComputedStyle(c).textAlign)")
    assert sides == ["left", "right", "right"]


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_it_fits_a_phone_and_the_dark(opened: Browser, width: int, dark: bool) -> None:
    opened.look(width, 844, dark=dark, phone=width < 500)
    opened.wait("return !scatter.waiting")
    assert opened.run("return document.documentElement.scrollWidth") <= width
    stroke = opened.run("return getComputedStyle(document.querySelector('#shows polyline')).stroke")
    assert (sum(map(int, stroke[4:-1].split(","))) > 400) is dark


def test_a_section_that_fails_leaves_the_others_alone(session: Browser, page: Path) -> None:
    broken = page.with_name("broken.html")
    whole = "sections.moons = (root, data, page) => {"
    broken.write_text(page.read_text().replace(whole, "sections.moons = () => { nothing();"))
    session.open(broken)
    session.wait("return scatter !== null && document.querySelector('#run dd') !== null")
    assert session.run("return document.querySelectorAll('#learning canvas').length") == 8
    (entry,) = session.log("browser")
    assert "moons" in entry["message"]
    session.requests()
