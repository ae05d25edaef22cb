"""Phrases of words ("new york" as new_york): the readable form of `kernels/phrases`.

Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their Compositionality": words that occur
together much more often than apart are one token. Each pass over the text joins two neighbours at most, so several
passes make longer phrases.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence

Pair = tuple[str, str]
JOINT = "_"
"""Stands between the words of a phrase."""


def packed(passes: Sequence[Sequence[Pair]]) -> str:
    """Return the pairs of each pass as one text: a line for each pair, an empty line between passes."""
    return "\n\n".join("\n".join(f"{a} {b}" for a, b in pairs) for pairs in passes)


@functools.lru_cache(8)
def unpacked(phrases: str) -> tuple[frozenset[Pair], ...]:
    """Return the pairs of each pass. Raises ValueError if `packed` did not make the text."""
    found = []
    for lines in phrases.split("\n\n"):
        pairs = [line.split(" ") for line in lines.split("\n") if line]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError("each line must be two words")
        found.append(frozenset((a, b) for a, b in pairs))
    return tuple(found)


def joined(tokens: Sequence[str], pairs: Collection[Pair]) -> list[str]:
    """Return the tokens after one pass, from left to right: a word that was joined is not joined again.

    >>> joined("in new york city".split(), {("new", "york"), ("york", "city")})
    ['in', 'new_york', 'city']
    """
    found, at = list[str](), 0
    while at < len(tokens):
        together = at + 1 < len(tokens) and (tokens[at], tokens[at + 1]) in pairs
        found.append(f"{tokens[at]}{JOINT}{tokens[at + 1]}" if together else tokens[at])
        at += 2 if together else 1
    return found
