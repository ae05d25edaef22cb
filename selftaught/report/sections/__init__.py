"""The sections of a page. Each is a file ``NAME.py`` here, drawn by ``NAME.js``, and found by its path.

NAME.py defines the section and its data::

    ORDER = 30              its position on the page: sections are sorted by these numbers
    TITLE = "How it learned"
    NAV = "Learning"        the text of its link at the top of the page; "" for none
    MISSING = "..."         the message if there are no data, with {probe} for the command; "" hides the section

    suits(page)             whether a page about this run has the section at all: fast, and called first
    data(page)              the data for NAME.js as JSON values; None if there are none

NAME.js draws it: ``sections.NAME = (root, data, page) => {...}``, where `root` is the section's element with its
heading in it, `data` is the result of data(page), and `page` has the page's title, facts and commands. Two more files
are
optional: ``NAME.html``, the markup of the section before it is drawn, and ``NAME.css``. Code shared by several sections
(`el`, charts, the map, rows of samples) is in ``assets/``.
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
    """One section: the values of its module, and the texts of its files."""

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
    """Return every section, in the order of a page."""
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
