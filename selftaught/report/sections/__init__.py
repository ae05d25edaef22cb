"""The sections of a page: a file ``NAME.py`` here is one, drawn by ``NAME.js`` beside it, and found by its path.

NAME.py says what the section is and what it tells::

    ORDER = 30              its place on the page: sections come in the order of these numbers
    TITLE = "How it learned"
    NAV = "Learning"        the words of its link at the top of the page; "" for none
    MISSING = "..."         what to say where there are no data, {probe} being the command; "" leaves the section out

    suits(page)             whether a page about this run has the section at all: quick, and asked first
    data(page)              what NAME.js draws, of values that JSON has; None where there is nothing

NAME.js draws it: ``sections.NAME = (root, data, page) => {...}``, where `root` is the section's element, with its
heading in it, `data` is what data(page) returned, and `page` has the page's title, facts and commands. Two more files
are optional: ``NAME.html``, what stands in the section before it is drawn, and ``NAME.css``. What the scripts of
sections share (`el`, charts, the map, rows of what can be shown) is in ``assets/``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, final

from selftaught.report.page import Page


@final
@dataclass(frozen=True)
class Section:
    """One section: what its module says, and the texts of the files beside it."""

    name: str
    order: int
    title: str
    nav: str
    missing: str
    suits: Callable[[Page], bool]
    data: Callable[[Page], dict[str, Any] | None]
    script: str
    markup: str
    style: str


def found() -> list[Section]:
    """Every section, in the order of a page."""
    sections = [_read(module.name) for module in iter_modules(__path__)]
    return sorted(sections, key=lambda section: (section.order, section.name))


def _read(name: str) -> Section:
    module = import_module(f"{__name__}.{name}")
    script, markup, style = (Path(str(module.__file__)).with_suffix(suffix) for suffix in (".js", ".html", ".css"))
    return Section(
        name, module.ORDER, module.TITLE, module.NAV, module.MISSING, module.suits, module.data,
        script=script.read_text(encoding="utf-8"),
        markup=markup.read_text(encoding="utf-8") if markup.exists() else "",
        style=style.read_text(encoding="utf-8") if style.exists() else "",
    )  # fmt: skip
