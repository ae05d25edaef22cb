"""Words that a vocabulary and other vectors have in common."""

from __future__ import annotations

from collections.abc import Mapping

from selftaught.errors import UserError
from selftaught.parts.word_vectors import WordVectors


def known_to_both(index: Mapping[str, int], dim: int, vectors: WordVectors) -> tuple[list[int], list[int]]:
    """The number of each common word in `index`, and its row in `vectors`.

    Raises UserError when the vectors do not have `dim` numbers, or no word is known to both.
    """
    if vectors.dim != dim:
        raise UserError(
            f"the vectors to start from have {vectors.dim} numbers and the encoder's {dim}: give --dim {vectors.dim}"
        )
    shared = [(row, vectors.index[word]) for word, row in index.items() if word in vectors.index]
    if not shared:
        raise UserError(
            f"none of the {len(vectors)} words to start from is among the text's {len(index)} (lower case, language?)"
        )
    own, theirs = zip(*shared, strict=True)
    return list(own), list(theirs)
