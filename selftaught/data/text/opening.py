"""Open text of any supported form as a corpus."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from selftaught.data import catalog, hub
from selftaught.data.columns import label_column
from selftaught.data.folders import shown
from selftaught.data.subset import Draw, drawn
from selftaught.data.text import files as reading
from selftaught.data.text import pieces
from selftaught.data.text.bpe import BytePairs
from selftaught.data.text.corpus import Corpus
from selftaught.data.text.draft import Draft
from selftaught.data.text.files import Errors
from selftaught.data.text.kept import kept
from selftaught.data.text.material import Files, How, Material, Objects
from selftaught.data.text.part import side
from selftaught.data.text.scanner import Scanner
from selftaught.data.text.text_set import TextSet
from selftaught.errors import UserError, unknown
from selftaught.kind import Progress, Split, describe, silent
from selftaught.parts.tokens import Tokens, Way
from selftaught.source import Index

Sides = dict[str, Material]
"""Either "train" and "test", or "all"."""


def open_text(
    data: Any, split: Split = "train", limit: int | None = None, *, tokens: Way | str = "words", lower: bool = True,
    errors: Errors = "strict", column: str = "text", seed: int = 0, groups: Any = None, progress: Progress = silent,
) -> Corpus:  # fmt: skip
    """Open text as a corpus, encoded once and kept in the cache.

    >>> from selftaught.data.text.corpus import Corpus
    >>> corpus = open_text(Corpus.of(["a cat sat", "a dog ran"]), "all")  # made without the cache
    >>> len(corpus), corpus.words[0]
    (2, 'a')

    Args:
        data: The name of a data set in the catalog; a path: a file of text or a folder of them at any depth (one file =
            one document), JSON Lines or Parquet (one record = one document), each also as .gz or .zst; an iterable of
            strings, of lists of tokens or of mappings, which is iterated over twice (one item = one document); a
            Hugging Face data set; or a corpus, returned unchanged except for split and limit. Sentences end at
            newlines.
        split: "train", "test" or "all". Data without a test part (folders or files called train and test) are split by
            the content of the documents, 80/20, so that exact duplicates are on one side.
        limit: Use only N documents, drawn from all classes alike, see `data.subset.drawn`.
        tokens: How text is split: "words", "whitespace" or "characters", see `parts/tokens`. Lists of tokens stay
            unchanged. "bpe:8000" splits words into (at most) 8,000 byte pairs learned from this part of the data, for
            the test side from the training side; ``{"bpe": model}`` splits them with an existing model, see `data/bpe`.
        lower: Convert the text to lower case first.
        errors: "strict" refuses text that is not UTF-8 and names the line; "replace" reads U+FFFD instead.
        column: The text field of records. Labels are in "label" (or another usual name), and records with the same
            "group" stay on one side of a split. Text files are labelled by first-level folder.
        seed: Draws the documents of a limit.
        groups: Which documents stay on one side of a split, see `data.groups`: another column of records than "group",
            a file, a regular expression for the paths of text files, or one group per record.
        progress: Called as (done, total) bytes while files are read.

    Raises:
        UserError: If `data` cannot be read; one sentence says what is wrong, where, and how to fix it.
    """
    for name, value, known in (("split", split, Split), ("errors", errors, Errors)):
        if value not in get_args(known):
            raise unknown(name, str(value), get_args(known))
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    if isinstance(data, Corpus):
        if groups is not None:
            raise UserError("a corpus has its own groups: remove groups, or give them when the text is opened")
        return side(data, split, limit, seed)
    if isinstance(tokens, Mapping) or tokens.startswith(pieces.PREFIX):
        size = 0 if isinstance(tokens, Mapping) else pieces.size_of(tokens)
        given = partial(
            open_text, data, tokens="whitespace", lower=lower, errors=errors, column=column, seed=seed, groups=groups,
            progress=progress,
        )  # fmt: skip
        words = given(split, limit)
        if isinstance(tokens, Mapping):
            return pieces.split(words, BytePairs(tokens["bpe"]))
        return pieces.split(words, pieces.learnt(given("train") if split == "test" else words, size))
    if tokens not in get_args(Tokens):
        raise unknown("value of tokens", tokens, [*get_args(Tokens), f"{pieces.PREFIX}8000"])
    how = How(cast(Tokens, tokens), lower, errors, column, groups=groups, progress=progress)
    few = replace(how, draw=Draw(limit, seed))
    parts = _sides(data, progress)
    if "all" in parts:
        return (
            _encoded([parts["all"]], few) if split == "all" else side(_encoded([parts["all"]], how), split, limit, seed)
        )
    both = [parts["train"], parts["test"]]
    if split == "all":
        return _encoded(both, few)
    found = _encoded([parts[split]], few, both)
    if any(part.classes for part in both) or not found.classes:
        return found
    return _aligned(found, [_encoded([part], how) for part in both])


def _encoded(parts: list[Material], how: How, classes_of: list[Material] | None = None) -> Corpus:
    """Return the documents of `parts`, in order, with the class names of `classes_of`, by default `parts`."""
    if any(part.split for part in parts):
        how = replace(how, tokens="whitespace")
    known = [part.classes for part in classes_of or parts if part.classes]
    classes = known[0] if len(set(known)) == 1 else tuple(sorted({name for names in known for name in names}))

    def fill(draft: Draft) -> None:
        draft.classes = classes
        scanner = Scanner(draft, how.tokens, how.lower)
        for part, only in zip(parts, _chosen(parts, how), strict=True):
            part.fill(draft, scanner, how, None if only is None else frozenset(only))
        scanner.finish()

    key = how.key(classes, *(part.key(how) for part in parts))
    corpus = kept(key, parts[0].where, how.tokens, how.lower, fill)
    corpus.called = partial(_names, parts, how, corpus.digests)
    return corpus


def _chosen(parts: list[Material], how: How) -> list[list[int] | None]:
    """The positions of the documents that are drawn of each part; None = all."""
    if how.draw.limit is None:
        return [None] * len(parts)
    labels = [part.labels(how) for part in parts]
    flat = [f"{label}" for one in labels for label in one]
    _, of_class = np.unique(np.array(flat, object), return_inverse=True)
    order = np.sort(drawn(of_class.reshape(-1), how.draw.seed)[: how.draw.limit])
    borders = np.cumsum([0, *map(len, labels)])
    return [(order[(order >= first) & (order < last)] - first).tolist() for first, last in pairwise(borders.tolist())]


def _names(parts: list[Material], how: How, digests: NDArray[np.uint8], index: Index) -> list[str]:
    """What the documents at `index` of the corpus of `parts` are called."""
    names: list[str] = []
    for part, only, prefix in zip(parts, _chosen(parts, how), ("train/", "test/"), strict=False):
        found = part.names(part.places(digests, only))
        names += [f"{prefix}{name}" for name in found] if len(parts) > 1 else found
    return [names[i] for i in index.tolist()]


def _aligned(corpus: Corpus, both: list[Corpus]) -> Corpus:
    """Number labels that are names in the same way on both sides."""
    if all(one.classes == tuple(str(label) for label in range(len(one.classes))) for one in both):
        return corpus  # numbers are kept as they are
    names = sorted({name for one in both for name in one.classes})
    place = np.array([names.index(name) for name in corpus.classes] + [-1], np.int64)
    return corpus.with_labels(place[corpus.labels], tuple(names))


def _sides(data: Any, progress: Progress) -> Sides:
    if isinstance(data, str | os.PathLike):
        return _of_name(os.fspath(data), progress)
    if hub.is_hub(data):
        return {name: Objects(one, _class_names(one)) for name, one in hub.sides(data).items()}
    if not isinstance(data, Iterable) or isinstance(data, Mapping | bytes | bytearray | set | frozenset):
        kind = type(data).__name__
        raise UserError(
            f"data of type {kind} cannot be read as text: give a name, a path, or a list of strings or of lists "
            "of tokens"
        )
    return {"all": Objects(data)}


def _class_names(data: Any) -> tuple[str, ...]:
    feature = data.features.get(label_column(list(data.features)) or "")
    return tuple(getattr(feature, "names", None) or ())


def _of_name(name: str, progress: Progress) -> Sides:
    if name in catalog.listed():
        return _of_path(_of_catalog(name, progress))
    try:
        path = Path(name).expanduser()
        exists = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # no permission, name too long, unknown user, NUL byte
        raise reading.unreadable(Path(name), error) from None
    if not exists:
        if os.sep in name or path.suffix:
            known = ", ".join(sorted(catalog.listed()))
            raise UserError(f"{shown(name)}: there is no such file or folder (known data sets are: {known})")
        raise unknown("data", name, catalog.listed())
    return _of_path(path)


def _of_catalog(name: str, progress: Progress) -> Path:
    found = catalog.get(name)
    if not isinstance(found, TextSet):
        raise UserError(
            f"{name}: these are {describe(found.ENTRY.kind).samples}, not text: 'selftaught data' lists sets of text"
        )
    return found.files(progress)


def _of_path(path: Path) -> Sides:
    where = shown(str(path))
    if path.is_file():
        return {"all": Files([reading.one(path)], where)}
    if not path.is_dir():
        raise UserError(f"{where}: neither a file nor a folder")
    own = reading.sides(path)
    if not own:
        return {"all": Files(*_below(path))}
    return {name: _joined(places, where) for name, places in own.items()}


def _below(path: Path) -> tuple[list[reading.File], str, list[dict[str, str]]]:
    found, skipped = reading.below(path)
    return found, shown(str(path)), skipped


def _joined(places: list[Path], where: str) -> Files:
    return Files([reading.one(place) for place in places], where) if places[0].is_file() else Files(*_below(places[0]))
