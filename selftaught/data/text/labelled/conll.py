"""Tagged words in columns, as in the shared tasks of CoNLL: a line a word, an empty line after each sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from selftaught.data.text.labelled.example import Example, Read, Tagged
from selftaught.data.text.labelled.rows import text_of
from selftaught.errors import UserError

ENDINGS = (
    (".conll", ".conllu", ".bio", ".iob", ".iob2", ".txt", ".tsv", ".train", ".dev", ".test", ".testa", ".testb", ""),
)
DOCUMENT = "-DOCSTART-"
"""The word of lines that begin a document."""
OUTSIDE = "O"


def read(path: Path, word: int, tag: int, name: str, encoding: str = "utf-8") -> Read:
    """Return the sentences of a file, their tags in IOB2. Tags in IOB1, IOBES and BILOU are converted.

    A tag that cannot stand where it does (I-PER after O, or after B-LOC) begins a span, as `conlleval` has it; such
    tags are counted in the notes. In IOB1 they are the rule. Lines with too few columns are told, and their sentences
    skipped.

    Args:
        path: The file.
        word: The column of the words, from 1, or from the end: -1 is the last.
        tag: The column of the tags.
        name: The name of the file in messages.
        encoding: The encoding of the file.

    Raises UserError if the file cannot be read, or a tag is not O and has no "-" after its first letter.
    """
    found, words, tags, begin, broken = Read([]), list[str](), list[str](), 1, ""
    raw: list[tuple[tuple[str, ...], tuple[str, ...], int]] = []
    for line, row in enumerate([*text_of(path, name, encoding).split("\n"), ""], 1):
        cells = row.split()
        if not cells or cells[0] == DOCUMENT:
            if broken:
                found.skipped.append({"path": f"{name}, line {begin}", "reason": broken})
            elif words:
                raw.append((tuple(words), tuple(tags), begin))
            words, tags, begin, broken = [], [], line + 1, ""
            continue
        if not all(1 <= abs(column) <= len(cells) and column for column in (word, tag)):
            broken = broken or f"there is no column {max(word, tag, key=abs)} among {len(cells)}"
            continue
        words.append(cells[word - (word > 0)])
        tags.append(_checked(cells[tag - (tag > 0)], f"{name}, line {line}"))
    first = _begins_after_outside([tags for _, tags, _ in raw])
    counts: Counter[str] = Counter()
    found.examples += _converted(raw, first, counts, name)
    if counts:
        many, most = sum(counts.values()), counts.most_common(1)[0][0]
        found.notes.append(f"{many:,} tags break the scheme of {name} ({most}): each begins a span")
    return found


def _converted(
    raw: Sequence[tuple[tuple[str, ...], tuple[str, ...], int]], iob2: bool, counts: Counter[str], name: str
) -> list[Example]:
    made = list[Example]()
    for words, tags, line in raw:
        made.append(Tagged(words, tuple(bio(tags, counts if iob2 else Counter())), f"{name}, line {line}"))
    return made


def bio(tags: Sequence[str], broken: Counter[str]) -> list[str]:
    """Return tags in IOB2. Tags that continue what is not there are counted in `broken`.

    >>> bio(["I-PER", "I-PER", "O", "S-LOC", "B-ORG", "E-ORG"], Counter())
    ['B-PER', 'I-PER', 'O', 'B-LOC', 'B-ORG', 'I-ORG']
    """
    made, open_ = list[str](), ""
    for before, tag in zip(["", *tags], tags, strict=False):
        if tag == OUTSIDE:
            made.append(tag)
            open_ = ""
            continue
        kind = tag[2:]
        goes_on = tag[0] in "IELM" and open_ == kind
        if tag[0] in "IELM" and not goes_on:
            broken[f"{tag} after {before or 'the beginning'}"] += 1
        made.append(f"{'I' if goes_on else 'B'}-{kind}")
        open_ = "" if tag[0] in "ELSU" else kind  # the span ends here
    return made


def _begins_after_outside(sentences: Sequence[Sequence[str]]) -> bool:
    """Return whether spans begin with B: in IOB1 a B stands only after a word of the same type."""
    return any(
        tag[0] in "BSU" and (before == OUTSIDE or before[2:] != tag[2:])
        for tags in sentences
        for before, tag in zip([OUTSIDE, *tags], tags, strict=False)
        if tag != OUTSIDE
    )


def _checked(tag: str, where: str) -> str:
    if tag == OUTSIDE or (len(tag) > 2 and tag[0] in "BIELMSU" and tag[1] == "-"):
        return tag
    raise UserError(
        f"{where}: '{tag[:20]}' is no tag such as O, B-PER or I-PER: choose the column of the tags with --tag"
    )
