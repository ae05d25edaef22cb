"""The numbers of the symbols of a text that are not words. They come after those of its V words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

OTHER, END, START, MASK = range(4)
"""Added to V: other words, the end of a sentence, the start of a document (or padding before it), a hidden token."""
SPELT = ("<unk>", "|", "", "___")


def spelt(words: Sequence[str], ids: Iterable[int]) -> str:
    """Return symbols as text for a person to read.

    >>> spelt(["sea", "the"], [4, 1, 0, 2, 3])
    ' the sea <unk> |'
    """
    return " ".join(words[i] if i < len(words) else SPELT[i - len(words)] for i in ids)
