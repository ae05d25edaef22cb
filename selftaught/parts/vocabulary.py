"""From tokens to the numbers of a model's own words, in which every other word has one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

END = "</s>"
"""How the end of a sentence is written."""
OTHER = "<unk>"
"""How a word that a model does not know is written."""


def numbered(tokens: Sequence[str], index: Mapping[str, int]) -> NDArray[np.int32]:
    """int32 [T]: the place of each token in `index`, ``len(index)`` for those that are not there."""
    other = len(index)
    return np.fromiter((index.get(token, other) for token in tokens), np.int32, len(tokens))


def renumbering(words: Sequence[str], index: Mapping[str, int]) -> NDArray[np.int32] | None:
    """What turns the numbers of a corpus with these `words` into those of `index`.

    Int32 [V], or None where the known ones agree already.

    They do where `index` was cut off a list that begins like `words`: what is numbered ``len(index)`` or more is then
    unknown in both.
    """
    table = numbered(words, index)
    known = min(len(index), len(table))
    same = np.array_equal(table[:known], np.arange(known)) and bool((table[known:] == len(index)).all())
    return None if same else table
