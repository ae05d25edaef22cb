"""A section is a file of Python and one of JavaScript: found by its path, and on the page in its place."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from report import made, toy

from selftaught import report
from selftaught.report import sections
from selftaught.report.page import Page
from selftaught.report.sections import saw

PACKAGE = Path(report.__file__).parent
KINDS = ("text", "image", "images")


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def run_with(path: Path, **method: Any) -> Any:
    run = made.full(path)
    run.write_config(run.config | {"method": run.config["method"] | method})
    return run


def test_sections_come_in_the_order_of_their_numbers() -> None:
    orders = [section.order for section in sections.found()]
    assert orders == sorted(set(orders))
    names = [section.name for section in sections.found()]
    assert names[0] == "warnings" and names[-1] == "run"
    assert names.index("result") < names.index("map") < names.index("learning") < names.index("saw")


def test_a_new_section_is_two_new_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.learn(monkeypatch)
    page = report.write(run_with(tmp_path / "run", moons={made.EVIL: 2}))
    told = data_of(page)["sections"]
    assert list(told) == ["warnings", "result", "map", "moons", "learning", "saw", "run"]
    assert told["moons"] == {"moons": {made.EVIL: 2}}
    text = page.read_text()
    assert '<h2 id="moons-title">Moons &amp; &lt;planets&gt;</h2>' in text
    assert re.findall(r'<a href="#(\w+)">', text) == ["result", "map", "moons", "learning", "saw", "run"]
    assert "sections.moons = (root, data, page)" in text
    assert "#moons li { letter-spacing: 3px; }" in text


def test_a_section_without_data_names_the_command_or_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.learn(monkeypatch)
    run = made.bare(tmp_path / "run")
    text = report.write(run).read_text()
    assert f'class="missing">No moons: <code>selftaught report {run.path}</code> counts them.</p>' in text
    assert 'id="warnings"' not in text  # no data, and nothing to say
    assert 'id="moons"' not in report.write(run_with(tmp_path / "other", moons=False)).read_text()


def test_a_new_kind_has_its_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.learn(monkeypatch)
    source, method = toy.Tones(), toy.Everything(made.EVIL)
    run = made.full(tmp_path / "run")
    page = report.write(run, encoder=method.encoder, method=method, source_train=source, source_test=source)
    told = data_of(page)["sections"]
    assert told["map"]["n"] == 40
    assert told["map"]["sheet"] is None
    assert told["map"]["accuracy"]["features"] == 100
    assert [(row["type"], row["name"]) for row in told["saw"]["rows"]] == [
        ("sounds", name) for name in ("original", "tone", "softer 1", "softer 2")
    ]  # fmt: skip
    assert [row["type"] for row in told["shows"]["rows"]] == ["pictures", "curves", "sounds", "table"]
    assert told["shows"]["rows"][3]["rows"][1] == [made.EVIL, None, -0.25]
    assert told["shows"]["rows"][3]["rows"][2] == ["last", 3.0, None]
    assert told["shows"]["rows"][1]["charts"][0]["lines"][1][50:60] == [None] * 10
    assert told["result"]["raw"] == "the waves themselves"


def test_nothing_to_look_at_is_no_data(tmp_path: Path) -> None:
    network = made.encoder()
    assert saw.data(Page(made.bare(tmp_path / "run"), network, made.Flip(network))) is None
    told = data_of(report.write(made.bare(tmp_path / "other"), encoder=network, method=made.Flip(network)))["sections"]
    assert told["saw"] is None
    assert "shows" not in told


def test_the_report_compares_no_kinds() -> None:
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Compare):
                texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                assert not {*KINDS} & {*texts}, f"{file}:{node.lineno}"
    for file in (*PACKAGE.rglob("*.js"), *PACKAGE.rglob("*.html")):
        if ".min." not in file.name:
            assert not re.search(rf"""[=!]= *["'](?:{"|".join(KINDS)})["']|data-for""", file.read_text()), file
