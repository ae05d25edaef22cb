"""An Anarchist FAQ (McKay and others, 1995-2017): long political essays in modern English.

Each section is a document. Removed are references ("[Bakunin, Statism and Anarchy, p. 24]"), lists of books and links,
and navigation bars.
"""

from __future__ import annotations

import re
from pathlib import Path

from selftaught.data.entry import Entry
from selftaught.data.text.markup import paragraphs, tidy
from selftaught.data.text.text_set import Files, TextSet, debian, known, texts

KIND = "text"
NAMES = ("anarchism",)
SIZE, SHA256 = known("anarchism")
ENTRY = Entry(
    "anarchism", "political essays: An Anarchist FAQ", SIZE, (), "GPL-2",
    "Debian package anarchism, else deb.debian.org, else snapshot.debian.org", kind=KIND,
)  # fmt: skip
OMITTED = {
    "alinks",
    "arlinks",
    "links",
    "biblio",
    "contact",
    "pdf",
    "translations",
    "quotes",
    "new",
    "index",
    "book",
    "supplementary",
}
LEAFING = '<div id="book-navigation'
PAGE = r"(?:\bpp?\.?\s*\d|Op\.? ?Cit|[Ii]bid)"
SOURCE = re.compile(rf"\s*[\[(][^\[\]()]*{PAGE}[^\[\]()]*[\])]|\s*\[[^\[\]]*{PAGE}[^\[\]]*\]")
LINK = re.compile(r"\(?(?:https?://|www\.)[^\s)>]*\)?")


def build(root: Path) -> Files:
    """Return the finished files, from the unpacked package. Raises FileNotFoundError."""
    folder = root / "usr/share/doc/anarchism/html"
    pages = sorted(
        (path for path in folder.iterdir() if path.suffix == ".html" and path.stem not in OMITTED),
        key=lambda path: path.stem,
    )
    return texts({path.stem: section(path.read_text(encoding="utf-8")) for path in pages})


def section(page: str) -> list[str]:
    """Return the paragraphs of a page without references and addresses.

    Brackets around single letters are removed ("[t]he").
    """
    found = paragraphs(page.partition(LEAFING)[0])
    return [tidy(re.sub(r"\[(\w+)\]", r"\1", LINK.sub(" ", SOURCE.sub("", text)))) for text in found]


SETS = {
    "anarchism": TextSet(
        ENTRY, SHA256,
        debian(
            "anarchism", "a/anarchism/anarchism_15.3-3_all.deb",
            "cf21c10948b00e923c62eb31c39a3390413fa26c5ee0e3b925feb0ec7fe42948", build,
        ),
        "connect to the network, or use another text",
    ),
}  # fmt: skip
