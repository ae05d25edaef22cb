"""Convert tokens to the word numbers of a model, in which all unknown words have one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

END = "</s>"
"""The token for the end of a sentence."""
OTHER = "<unk>"
"""The token for an unknown word."""


def numbered(tokens: Sequence[str], index: Mapping[str, int]) -> NDArray[np.int32]:
    """Return the number of each token in `index`, int32 [T], or ``len(index)`` for unknown tokens."""
    other = len(index)
    return np.fromiter((index.get(token, other) for token in tokens), np.int32, len(tokens))


def renumbering(words: Sequence[str], index: Mapping[str, int]) -> NDArray[np.int32] | None:
    """Return the map from the numbers of a corpus with these `words` to those of `index`, int32 [V], or None.

    None means that the numbers of known words already agree, because `index` is the beginning of `words`. Numbers of
    ``len(index)`` or more are then unknown in both.
    """
    table = numbered(words, index)
    known = min(len(index), len(table))
    same = np.array_equal(table[:known], np.arange(known)) and bool((table[known:] == len(index)).all())
    return None if same else table
