"""The numbers of the symbols of a text that are not words. They come after those of its V words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from selftaught.parts.tokens import Way, joined, model_of

OTHER, END, START, MASK = range(4)
"""Added to V: other words, the end of a sentence, the start of a document (or padding before it), a hidden token."""
SPELT = ("<unk>", "|", "", "___")


def spelt(words: Sequence[str], ids: Iterable[int], how: Way = "words") -> str:
    """Return symbols as text for a person to read. `how` the text was split: pieces of a word are put together.

    >>> spelt(["sea", "the"], [4, 1, 0, 2, 3])
    ' the sea <unk> |'
    """
    if model_of(how) is None:
        return " ".join(words[i] if i < len(words) else SPELT[i - len(words)] for i in ids)
    found = list[str]()
    for is_piece, same in groupby(ids, lambda i: i < len(words)):
        run = list(same)
        found += [joined([words[i] for i in run], how)] if is_piece else [SPELT[i - len(words)] for i in run]
    return " ".join(found)
