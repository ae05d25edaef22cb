"""The documentation is true: examples print what they say, links lead somewhere, the map shows what is there."""

from __future__ import annotations

import doctest
import re
import tomllib
from pathlib import Path

import pytest

from selftaught import kind as kinds
from selftaught import methods

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if ">>> " in path.read_text("utf-8")]


@pytest.mark.parametrize("page", PAGES, ids=[path.stem for path in PAGES])
def test_examples_print_what_they_say(page: Path) -> None:
    """The page's blocks of Python share one namespace, as a reader would type them one after another."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, str(page), 0)
    said: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert results.attempted > 0
    assert results.failed == 0, "".join(said)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda path: path.stem)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


ROOT = DOCS.parent
README = (ROOT / "README.md").read_text("utf-8")
ARCHITECTURE = (DOCS / "architecture.md").read_text("utf-8")


def section(title: str) -> str:
    """The text under a heading of docs/architecture.md."""
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", ARCHITECTURE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/architecture.md has no section '{title}'"
    return found[1]


def files_to_write(title: str) -> list[re.Pattern[str]]:
    """The paths that a section's list begins with; words in capitals stand for names."""
    templates = re.findall(r"^- `(\S+\.py)`", section(title), re.MULTILINE)
    assert templates, title
    return [re.compile(re.sub("[A-Z]{3,}", lambda m: rf"(?P<{m[0]}>\w+)", re.escape(path))) for path in templates]


def test_a_new_kind_is_the_files_that_the_page_names() -> None:
    """The toy kind of tests/kinds has all of them, and no other."""
    place = ROOT / "tests" / "kinds" / "series"
    written = {path.relative_to(place).as_posix() for path in place.rglob("*.py")}
    templates = files_to_write("A new kind")
    for template in templates:
        assert any(template.fullmatch(path) for path in written), f"the toy kind has no {template.pattern}"
    assert [path for path in written if not any(t.fullmatch(path) for t in templates)] == []


def test_a_new_method_is_the_files_that_the_page_names() -> None:
    method, test = files_to_write("A new method")
    names = {"IDEA": "contrast", "NAME": "moco"}
    for template, path in (
        (method, "selftaught/methods/contrast/moco.py"),
        (test, "tests/methods/contrast/test_moco.py"),
    ):
        found = template.fullmatch(path)
        assert found and found.groupdict() == names and (ROOT / path).exists()
    for own in (ROOT / "selftaught" / "methods").glob("*/*.py"):
        if own.stem != "__init__" and own.parent.name != "supervised":
            assert method.fullmatch(own.relative_to(ROOT).as_posix())
            assert (ROOT / "tests" / "methods" / own.parent.name / f"test_{own.stem}.py").exists()


def test_the_map_names_every_module_of_the_package() -> None:
    drawn = set(re.findall(r"[\w]+(?:\.py|/)", section("The map")))
    package = ROOT / "selftaught"
    modules = {path.name for path in package.glob("*.py")} | {
        f"{path.parent.name}/" for path in package.glob("*/__init__.py")
    }
    # What each of these does is said in the line of fit.py, or by the module that it belongs to.
    assert modules - drawn == {"__main__.py", "errors.py", "optimizer.py"}
    for name in drawn - {"KIND.py"}:
        places = [*ROOT.glob(name), *ROOT.glob(f"*/{name}"), *package.rglob(name.rstrip("/"))]
        assert places, f"{name} is on the map and nowhere else"


def table(heading: str) -> dict[str, str]:
    """The first column of the README's table with this heading, without marks of code, and the rest of each row."""
    found = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    assert found, f"README.md has no table that begins with '{heading}'"
    return {name: rest for line in found[1].splitlines() for name, rest in [line.strip("| ").split(" | ", 1)]}


def test_the_readme_names_every_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert {name for names in table("extra") for name in re.findall(r"`(.*?)`", names)} == set(extras)


def test_the_readme_names_the_methods_of_every_kind() -> None:
    rows = {rest.split(" | ")[0].strip("`"): rest.split(" | ")[1] for rest in table("data").values()}
    assert set(rows) == set(kinds.names())
    for kind in set(rows) - {"image", "text"}:  # which have too many to list
        assert re.findall(r"`(.*?)`", rows[kind]) == methods.names(kind)
