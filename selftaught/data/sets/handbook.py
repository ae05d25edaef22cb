"""The Debian Administrator's Handbook (Hertzog and Mas 2003-2022), in English and thirteen other languages.

These are the languages into which most of the book is translated. Each section is a document and each paragraph a line;
listings and addresses are removed. The book is parallel: line k of a file of 'handbook-de' is the translation of line k
of the file of the same name of 'handbook', or empty if there is none.
"""

from __future__ import annotations

import re
from functools import partial
from html import unescape
from pathlib import Path

from selftaught.data import remote
from selftaught.data.entry import Entry
from selftaught.data.text.markup import TAG, tidy
from selftaught.data.text.text_set import Files, TextSet, debian, known, texts

KIND = "text"
NAMES = (
    "handbook", "handbook-ar", "handbook-ca", "handbook-de", "handbook-es", "handbook-fa", "handbook-fr", "handbook-id",
    "handbook-it", "handbook-ja", "handbook-nb", "handbook-pt", "handbook-ru", "handbook-zh",
)  # fmt: skip
LANGUAGES = {
    "handbook": ("en-US", "English"), "handbook-ar": ("ar-MA", "Arabic"), "handbook-ca": ("ca-ES", "Catalan"),
    "handbook-de": ("de-DE", "German"), "handbook-es": ("es-ES", "Spanish"), "handbook-fa": ("fa-IR", "Persian"),
    "handbook-fr": ("fr-FR", "French"), "handbook-id": ("id-ID", "Indonesian"), "handbook-it": ("it-IT", "Italian"),
    "handbook-ja": ("ja-JP", "Japanese"), "handbook-nb": ("nb-NO", "Norwegian"), "handbook-pt": ("pt-BR", "Portuguese"),
    "handbook-ru": ("ru-RU", "Russian"), "handbook-zh": ("zh-CN", "Chinese"),
}  # fmt: skip
LISTING = re.compile(r'<pre\b.*?</pre>|<div [^>]*class="url".*?</div>', re.DOTALL)
PARAGRAPH = '<div class="para">'
BLOCK = re.compile(r"</?(?:div|ul|ol|li|table|p|dl|dt|dd|h\d)\b")


def build(folder: str, root: Path) -> Files:
    """Return the finished files of one language, from the unpacked package.

    Raises FileNotFoundError, and Unavailable if they do not match the English files.
    """
    book = root / "usr/share/doc/debian-handbook/html"
    english = {path.stem: said(path) for path in sorted((book / "en-US").glob("*.html"), key=lambda path: path.stem)}
    kept = {
        name: data.decode().splitlines()
        for name, data in texts({f"{name}": lines for name, lines in english.items()}).items()
    }
    if folder == "en-US":
        return {name: encoded(lines) for name, lines in kept.items()}
    translation: dict[str, str] = {}
    for name, lines in english.items():
        there = said(book / folder / f"{name}.html")
        if len(there) != len(lines):
            raise remote.Unavailable(f"{name}.html of {folder} does not match the English one line by line")
        for original, translated in zip(lines, there, strict=True):
            translation.setdefault(original, translated)
    said_before: set[str] = set()
    return {
        name: encoded([new(translation[line], line, said_before) for line in lines]) for name, lines in kept.items()
    }


def new(translated: str, original: str, before: set[str]) -> str:
    """Return the translated paragraph, or nothing if it is the original text or a repetition."""
    if translated == original or translated in before:
        return ""
    before.add(translated)
    return translated


def said(path: Path) -> list[str]:
    """Return the paragraphs of a page as clean text, including empty ones, in the order common to all languages."""
    _, *parts = LISTING.sub(" ", path.read_text(encoding="utf-8")).split(PARAGRAPH)
    return [tidy(unescape(TAG.sub("", BLOCK.split(part, maxsplit=1)[0]))) for part in parts]


def encoded(lines: list[str]) -> bytes:
    """Return the bytes of a .txt file."""
    return "".join(f"{line}\n" for line in lines).encode()


def shelf(name: str) -> TextSet:
    """Return the data set of one language."""
    folder, language = LANGUAGES[name]
    size, sha256 = known(name)
    what = (
        "a book on system administration with Debian"
        if name == "handbook"
        else f"'handbook' in {language}, line by line"
    )
    entry = Entry(
        name, what, size, (), "GPL-2+ or CC BY-SA 3.0", "Debian package debian-handbook, else deb.debian.org, else "
                                                        "snapshot.debian.org",
        kind=KIND,
    )  # fmt: skip
    return TextSet(
        entry, sha256, debian(*PACKAGE, partial(build, folder)), "connect to the network, or use another text"
    )


PACKAGE = (
    "debian-handbook", "d/debian-handbook/debian-handbook_11.20220922_all.deb",
    "3d5dbeac1f1afc9c094eab9d0f701f6ecff99c4927d5a4794cf6c85678134faa",
)  # fmt: skip
SETS = {name: shelf(name) for name in LANGUAGES}
