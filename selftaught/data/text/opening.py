"""Open text of any supported form as a corpus."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, cast, final, get_args

import numpy as np
from numpy.typing import NDArray

from selftaught.data import catalog, columns, hub, told
from selftaught.data.folders import shown
from selftaught.data.labels import IDS, are_ids
from selftaught.data.subset import Draw, drawn
from selftaught.data.text import files as reading
from selftaught.data.text import phrases as joining
from selftaught.data.text import pieces
from selftaught.data.text.corpus import Corpus
from selftaught.data.text.draft import Draft, refused
from selftaught.data.text.files import Errors, How, NotText, checked_encoding
from selftaught.data.text.kept import kept
from selftaught.data.text.material import Files, Material, Objects, labelled
from selftaught.data.text.part import side
from selftaught.data.text.scanner import Scanner
from selftaught.data.text.text_set import TextSet
from selftaught.data.told import NO_CLASSES
from selftaught.errors import UserError, expanded, unknown
from selftaught.kind import Progress, Split, describe, silent
from selftaught.parts.pretrained import pretrained
from selftaught.parts.tokens import Form, Tokens, Way
from selftaught.source import Index, Labels, Skipped


@final
@dataclass(frozen=True)
class Sides(told.Sides[Material]):
    """The parts of a text.

    Args:
        skipped: What else is not read, with reasons.
    """

    skipped: Sequence[Skipped] = ()


def open_text(
    data: Any, split: Split = "train", limit: int | None = None, *, tokens: Way | str = "words", lower: bool = True,
    form: Form = "nfc", errors: Errors = "skip", encoding: str = "utf-8", column: str = "text",
    label_column: str | None = None, phrases: Sequence[float] = (), phrase_count: int = 5, seed: int = 0,
    groups: Any = None, progress: Progress = silent,
) -> Corpus:  # fmt: skip
    """Open text as a corpus, encoded once and kept in the cache.

    >>> from selftaught.data.text.corpus import Corpus
    >>> corpus = open_text(Corpus.of(["a cat sat", "a dog ran"]), "all")  # made without the cache
    >>> len(corpus), corpus.words[0]
    (2, 'a')

    Args:
        data: The name of a data set in the catalog; a path: a file of text or a folder of them at any depth (one file =
            one document), JSON Lines, .csv, .tsv, Parquet or Arrow (one record = one document), all but the last two
            also as .gz, .bz2, .xz or .zst; an iterable of strings, of lists of tokens or of mappings, which is iterated
            over twice (one item = one document); a Hugging Face data set; or a corpus, returned unchanged except for
            split and limit. Sentences end at newlines.
        split: "train", "test" or "all". Data without a test part (folders or files called train and test) are split by
            the content of the documents, 80/20, so that exact duplicates are on one side.
        limit: Use only N documents, drawn from all classes alike, see `data.subset.drawn`.
        tokens: How text is split: "words", "whitespace", "characters" or "exact", see `parts/tokens`. Lists of tokens
            stay unchanged. "bpe:8000" splits words into (at most) 8,000 byte pairs learned from this part of the data,
            for the test side from the training side; ``{"bpe": model}`` or ``{"wordpiece": model}`` splits them with an
            existing model, see `data/bpe`, and "hf/FOLDER" with that of a Hugging Face folder; ``{"split": name,
            "phrases": pairs}`` joins the phrases of another text, see `parts/phrases`.
        lower: Convert the text to lower case.
        form: The Unicode normal form of the tokens: "nfc", or "none" to leave them as they are.
        errors: What becomes of bytes that are not UTF-8, of broken records and of unreadable files: "skip" leaves out
            the line, record or file, and names it in `skipped`; "replace" reads U+FFFD for such bytes and skips the
            rest; "strict" refuses the first one and names the line.
        encoding: The encoding of the files, if it is not UTF-8: "latin-1", "utf-16", or another that Python knows.
        column: The text field of records; a number counts the columns of .csv and .tsv without names. Records with the
            same "group" stay on one side of a split. Text files are labelled by folder, see `data/layout`.
        label_column: The field of labels, by default "label" or another usual name. If that one's values are no
            classes, it is left out.
        phrases: The threshold of each pass that joins words to phrases learned from this part of the data, for the test
            side from the training side; see `data.text.phrases`.
        phrase_count: What is taken off the count of a pair, so that rare ones are no phrases.
        seed: Draws the documents of a limit.
        groups: Which documents stay on one side of a split, see `data.groups`: another column of records than "group",
            a file, a regular expression for the paths of text files, or one group per record.
        progress: Called as (done, total) bytes while files are read.

    Raises:
        UserError: If `data` cannot be read; one sentence says what is wrong, where, and how to fix it.
    """
    for name, value, known in (("split", split, Split), ("form", form, Form), ("errors", errors, Errors)):
        if value not in get_args(known):
            raise unknown(name, str(value), get_args(known))
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    if isinstance(data, Corpus):
        if groups is not None:
            raise UserError("a corpus has its own groups: remove groups, or give them when the text is opened")
        if phrases:
            raise UserError("a corpus is split already: remove phrases, or give them when the text is opened")
        return side(data, split, limit, seed)
    given = pretrained(tokens)
    tokens = tokens if given is None else given.tokens
    further = isinstance(tokens, Mapping) or tokens.startswith(pieces.PREFIX)
    if further or phrases:
        if phrases and (further or tokens == "exact"):
            raise UserError(
                f"--phrases joins words, so it cannot be used with --tokens {'exact' if tokens == 'exact' else 'bpe'}: "
                "remove one of them"
            )
        return _further(
            tokens, phrases, phrase_count, split, limit,
            partial(
                open_text, data, lower=lower, form=form, errors=errors, encoding=encoding, column=column,
                label_column=label_column, seed=seed, groups=groups, progress=progress,
            ),
        )  # fmt: skip
    if tokens not in get_args(Tokens):
        raise unknown("value of tokens", str(tokens), [*get_args(Tokens), f"{pieces.PREFIX}8000", "hf/FOLDER"])
    how = How(
        cast(Tokens, tokens), lower, form, errors, column, checked_encoding(encoding), label_column, groups=groups,
        progress=progress,
    )  # fmt: skip
    found = _sides(data, how)
    if label_column is not None and not any(part.columns for part in found.parts.values()):
        raise UserError("--label-column has no effect: these data have no columns: remove it")
    corpus = _opened(found.parts, split, Draw(limit, seed), how)
    corpus.notes = (*found.told(split), *corpus.notes)
    corpus.skipped = [*found.skipped, *corpus.skipped]
    return corpus


def _further(
    tokens: Way | str, thresholds: Sequence[float], discount: int, split: Split, limit: int | None,
    words: Callable[..., Corpus],
) -> Corpus:  # fmt: skip
    """Return a corpus of `words` that is split in byte pairs, or whose phrases are joined."""
    if isinstance(tokens, Mapping):
        found = words(split, limit, tokens=tokens.get("split", "whitespace"))
        return joining.split(found, tokens) if "phrases" in tokens else pieces.split(found, tokens)
    if thresholds:
        joining.check(thresholds, discount)
        own = words("train" if split == "test" else split, None if split == "test" else limit, tokens=tokens)
        known = joining.learnt(own, thresholds, discount)
        assert isinstance(known.tokens, Mapping)
        return joining.split(words(split, limit, tokens=tokens), known.tokens) if split == "test" else known
    size = pieces.size_of(tokens)
    found = words(split, limit, tokens="whitespace")
    model = pieces.learnt(words("train", tokens="whitespace") if split == "test" else found, size)
    return pieces.split(found, {"bpe": model.model})


def _opened(parts: Mapping[str, Material], split: Split, want: Draw, how: How) -> Corpus:
    named = any(part.classes for part in parts.values())
    few = replace(how, draw=want)
    if "all" in parts:
        if split == "all":
            whole = _encoded([parts["all"]], few)
            return whole if named else _without_ids(whole, _known([parts["all"]], whole, few), how)
        whole = _encoded([parts["all"]], how)
        return side(whole if named else _without_ids(whole, [whole.labels], how), split, want.limit, want.seed)
    both = [parts["train"], parts["test"]]
    found = _encoded(both if split == "all" else [parts[split]], few, both)
    if named or not found.classes:
        return found
    if split == "all":
        return _without_ids(found, _known(both, found, few), how)
    known = [_encoded([part], how) for part in both]
    return _without_ids(_aligned(found, known), [part.labels for part in known], how)


def _known(parts: Sequence[Material], corpus: Corpus, how: How) -> list[Labels]:
    """Return the labels of all documents of `parts`, of which `corpus` is perhaps a sample, numbered somehow."""
    if how.draw.limit is None:
        return [corpus.labels]
    place: dict[str, int] = {"None": -1, "": -1, "-1": -1}
    return [np.array([place.setdefault(f"{one}", len(place)) for one in part.labels(how)], np.int64) for part in parts]


def _without_ids(corpus: Corpus, known: Sequence[Labels], how: How) -> Corpus:
    """Return the corpus without labels if all those that are `known` are ids.

    Raises UserError if the user asked for them.
    """
    if not are_ids(known):
        return corpus
    found = corpus.with_labels(np.full(len(corpus), -1, np.int64), ())
    found.notes = (*corpus.notes, refused(how.label or "", IDS, "the data" if how.label is not None else ""))
    return found


def _encoded(parts: list[Material], how: How, classes_of: list[Material] | None = None) -> Corpus:
    """Return the documents of `parts`, in order, with the class names of `classes_of`, by default `parts`."""
    if any(part.split for part in parts):
        how = replace(how, tokens="whitespace")
    known = [part.classes for part in classes_of or parts if part.classes]
    classes = known[0] if len(set(known)) == 1 else tuple(sorted({name for names in known for name in names}))

    @cache
    def chosen() -> list[list[int] | None]:
        return _chosen(parts, how)

    def fill(draft: Draft) -> None:
        try:
            read(draft, how)
        except NotText:
            if how.errors == "strict":
                raise
            draft.restart()
            read(draft, replace(how, careful=True))

    def read(draft: Draft, how: How) -> None:
        draft.classes = classes
        scanner = Scanner(draft, how.tokens, how.lower, how.form)
        for part, only in zip(parts, chosen(), strict=True):
            part.fill(draft, scanner, how, None if only is None else frozenset(only))
        scanner.finish()

    split = {"tokens": how.tokens, "lower": how.lower, "form": how.form}
    corpus = kept(how.key(classes, *(part.key(how) for part in parts)), parts[0].where, split, fill)
    corpus.called = partial(_names, parts, chosen, corpus.digests)
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


def _names(
    parts: list[Material], chosen: Callable[[], list[list[int] | None]], digests: NDArray[np.uint8], index: Index
) -> list[str]:
    """What the documents at `index` of the corpus of `parts` are called. `chosen`: see `_chosen`."""
    names: list[str] = []
    for part, only, prefix in zip(parts, chosen(), ("train/", "test/"), strict=False):
        found = part.names(part.places(digests, only))
        names += [f"{prefix}{name}" for name in found] if len(parts) > 1 and part.columns else found
    return [names[i] for i in index.tolist()]


def _aligned(corpus: Corpus, both: list[Corpus]) -> Corpus:
    """Number labels that are names in the same way on both sides."""
    if all(one.classes == tuple(str(label) for label in range(len(one.classes))) for one in both):
        return corpus  # numbers are kept as they are
    names = sorted({name for one in both for name in one.classes})
    place = np.array([names.index(name) for name in corpus.classes] + [-1], np.int64)
    return corpus.with_labels(place[corpus.labels], tuple(names))


def _sides(data: Any, how: How) -> Sides:
    if isinstance(data, str) and data in catalog.listed():
        return _of_path(_of_catalog(data, how.progress), how)
    if isinstance(data, str | os.PathLike):
        return _of_name(os.fspath(data), how)
    if hub.is_hub(data):
        found = hub.sides(data, how.label)
        parts = {part: Objects(one, _class_names(one, how.label)) for part, one in found.parts.items()}
        return Sides(parts, found.called, found.aside)
    if not isinstance(data, Iterable) or isinstance(data, Mapping | bytes | bytearray | set | frozenset):
        kind = type(data).__name__
        raise UserError(
            f"data of type {kind} cannot be read as text: give a name, a path, or a list of strings or of lists "
            "of tokens"
        )
    return Sides({"all": Objects(data)})


def _class_names(data: Any, label: str | None) -> tuple[str, ...]:
    feature = data.features.get(columns.label_column(list(data.features), label, "Hugging Face data set") or "")
    return tuple(getattr(feature, "names", None) or ())


def _of_name(name: str, how: How) -> Sides:
    try:
        path = expanded(name)
        exists = path.exists()
    except (OSError, ValueError) as error:  # no permission, name too long, unknown user, NUL byte
        raise reading.unreadable(Path(name), error) from None
    if not exists:
        if os.sep in name or path.suffix:
            known = ", ".join(sorted(catalog.listed()))
            raise UserError(f"{shown(name)}: there is no such file or folder (known data sets are: {known})")
        raise unknown("data", name, catalog.listed())
    return _of_path(path, how)


def _of_catalog(name: str, progress: Progress) -> Path:
    found = catalog.get(name)
    if not isinstance(found, TextSet):
        raise UserError(
            f"{name}: these are {describe(found.ENTRY.kind).samples}, not text: 'selftaught data' lists sets of text"
        )
    return found.files(progress)


def _of_path(path: Path, how: How) -> Sides:
    where = shown(str(path))
    if path.is_file():
        return Sides({"all": Files([reading.one(path)], where)})
    if not path.is_dir():
        raise UserError(f"{where}: neither a file nor a folder")
    found = reading.below(path, partial(labelled, how=how))
    parts = {part: Files(files, where) for part, files in found.parts.items()}
    notes = (NO_CLASSES + found.why,) if found.why else ()
    return Sides(parts, found.called, found.aside, notes, found.skipped)
