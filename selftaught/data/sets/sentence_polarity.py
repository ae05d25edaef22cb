"""Sentence polarity (Pang and Lee 2005): 10,662 sentences of film reviews, half of them positive.

The text is in lower case and tokenised.
"""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from selftaught.data import remote
from selftaught.data.entry import Entry
from selftaught.data.text.markup import tidy
from selftaught.data.text.text_set import Files, TextSet, known, records
from selftaught.errors import expanded

KIND = "text"
NAMES = ("sentence-polarity",)
CLASSES = ("negative", "positive")
SIZE, DIGEST = known("sentence-polarity")
ENTRY = Entry(
    "sentence-polarity", "sentences of film reviews, positive or negative", SIZE, CLASSES, "CC BY 4.0",
    "$SELFTAUGHT_DATA/text/sentence_polarity.zip, else github.com/nltk/nltk_data", kind=KIND,
)  # fmt: skip
ADDRESS = "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/sentence_polarity.zip"
SHA256 = "6e1ed4405b65c7eabf1d199a7f7c437091ac21da0ea7467b410a74062574566b"
MEMBERS = {"negative": "sentence_polarity/rt-polarity.neg", "positive": "sentence_polarity/rt-polarity.pos"}


def from_folder() -> Files:
    """Read the set from the folder SELFTAUGHT_DATA. Raises Unavailable."""
    folder = os.environ.get("SELFTAUGHT_DATA")
    if not folder:
        raise remote.Unavailable("SELFTAUGHT_DATA is not set")
    try:
        return build((expanded(folder) / "text" / "sentence_polarity.zip").read_bytes())
    except OSError:
        raise remote.Unavailable("SELFTAUGHT_DATA has no text/sentence_polarity.zip") from None


def from_address() -> Files:
    """Download the set from the collection of NLTK. Raises Unavailable."""
    with tempfile.TemporaryDirectory(prefix="selftaught-") as name:
        path = Path(name) / "sentence_polarity.zip"
        remote.download(ADDRESS, path, SHA256)
        return build(path.read_bytes())


def build(data: bytes) -> Files:
    """Return the finished file, from the archive.

    Positive and negative sentences alternate, so that the first N are always balanced.

    Raises Unavailable.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            sides = [
                [(label, line) for line in archive.read(name).decode("utf-8").split("\n")]
                for label, name in MEMBERS.items()
            ]
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise remote.Unavailable(f"sentence_polarity.zip is not the expected file ({error})") from None
    return records("sentence-polarity", turns(*sides))


def turns(*sides: list[tuple[str, str]]) -> Iterator[dict[str, str]]:
    """Alternate between the rows of both classes."""
    for pair in zip(*sides, strict=False):
        yield from ({"text": tidy(text), "label": label} for label, text in pair if text)


SETS = {
    "sentence-polarity": TextSet(
        ENTRY, DIGEST, [from_folder, from_address],
        "set SELFTAUGHT_DATA to a folder with text/sentence_polarity.zip, or use 'rated-movies'",
    ),
}  # fmt: skip
