"""The data sets that are known by name."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any, Literal, Protocol, cast, get_args

from selftaught import errors
from selftaught.data import cache
from selftaught.data.entry import Entry
from selftaught.data.progress import Progress, silent
from selftaught.data.source import ImageSource
from selftaught.data.text_set import TextSet
from selftaught.errors import UserError

Side = Literal["train", "test"]

IMAGES = {"fashion-mnist": "fashion_mnist", "digits": "digits", "photos": "photos", "cifar10": "cifar10"}
HANDBOOKS = ("ar", "ca", "de", "es", "fa", "fr", "id", "it", "ja", "nb", "pt", "ru", "zh")
TEXTS = {
    "english": "english", "sotu": "sotu", "anarchism": "anarchism", "gcide": "gcide", "wordnet": "wordnet",
    "handbook": "handbook", **{f"handbook-{language}": "handbook" for language in HANDBOOKS}, "zh-news": "zh_news",
    "sentence-polarity": "sentence_polarity", **{f"rated-{what}": "rated" for what in ("movies", "news", "tweets", "products")},
}  # fmt: skip
FILES = {**IMAGES, **TEXTS}
"""The file of `sets/` that holds each data set."""


class Images(Protocol):
    """What a file of `sets/` holds that is about images. One about text holds `SETS`, a `TextSet` by name."""

    ENTRY: Entry

    def cached(self) -> bool:
        """Whether nothing has to be fetched."""

    def load(self, split: Side, progress: Progress = silent) -> ImageSource:
        """The training or the test part, fetched first if it must be."""


def find(name: str) -> Images | TextSet:
    """The data set called `name`; raises UserError, with a suggestion, when there is none."""
    if name not in FILES:
        raise errors.unknown("data", name, FILES)
    module = import_module(f"selftaught.data.sets.{FILES[name]}")
    return cast(TextSet, module.SETS[name]) if name in TEXTS else cast(Images, module)


def images(name: str) -> Images:
    """The data set of images called `name`; raises UserError when there is none, and when it is text."""
    found = find(name)
    if isinstance(found, TextSet):
        raise UserError(f"{name}: this is text, not images: methods of words and language read it ('selftaught methods' names them)")
    return found


def fetching(name: Any) -> str | None:
    """What to say before `name` is opened, if it is a data set of the catalog that is not on this computer yet."""
    if isinstance(name, str) and name in FILES and not find(name).cached():
        return f"fetching {name}, once, into {cache.folder()}"
    return None


def names() -> list[Entry]:
    """Every data set of the catalog; `cached` says whether it is on this computer already. Fetches nothing."""
    return [replace(found.ENTRY, cached=found.cached()) for found in map(find, FILES)]


def describe(name: str, progress: Progress = silent) -> dict[str, Any]:
    """Fetches `name` if it must be, and tells about its parts.

    Of images: samples, size, channels, samples a class and fingerprint of the "train" and of the "test" part. Of text, "all" of it:
    documents, sentences (lines), words, distinct words, the most frequent ones, documents a class and fingerprint.
    """
    found = find(name)
    if isinstance(found, TextSet):
        parts = {"all": _of_text(found, progress)}
    else:
        parts = {side: _of_images(found, side, progress) for side in get_args(Side)}
    entry = found.ENTRY
    return {
        "name": entry.name, "kind": entry.kind, "what": entry.what, "size": entry.size, "classes": list(entry.classes),
        "licence": entry.licence, "origin": entry.origin, **parts,
    }  # fmt: skip


def _of_images(found: Images, side: Side, progress: Progress) -> dict[str, Any]:
    source = found.load(side, progress)
    known = source.labels[source.labels >= 0]
    return {
        "samples": len(source), "image_size": source.image_size, "channels": source.channels,
        "per_class": {c: int((known == i).sum()) for i, c in enumerate(source.classes)}, "fingerprint": source.fingerprint,
    }  # fmt: skip


def _of_text(found: TextSet, progress: Progress) -> dict[str, Any]:
    from selftaught.data.text import open_text  # it opens what is found here

    corpus = open_text(found.ENTRY.name, "all", tokens=found.tokens, progress=progress)
    return {
        "documents": len(corpus), "sentences": len(corpus.sentences) - 1, "words": len(corpus.ids), "distinct": len(corpus.words),
        "frequent": [corpus.words[i] for i in range(min(20, len(corpus.words)))],
        "per_class": {c: int((corpus.labels == i).sum()) for i, c in enumerate(corpus.classes)}, "fingerprint": corpus.fingerprint,
    }  # fmt: skip
