"""Words that a vocabulary and other word vectors have in common, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping

from selftaught.errors import UserError
from selftaught.parts.word_vectors import WordVectors


def known_to_both(index: Mapping[str, int], dim: int, vectors: WordVectors) -> tuple[list[int], list[int]]:
    """Return the numbers of the common words in `index`, and their rows in `vectors`.

    Raises UserError when the vectors do not have dimension `dim`, or no word is in both.
    """
    if vectors.dim != dim:
        raise UserError(
            f"the initial vectors have dimension {vectors.dim}, but the encoder has {dim}: use --dim {vectors.dim}"
        )
    shared = [(row, vectors.index[word]) for word, row in index.items() if word in vectors.index]
    if not shared:
        raise UserError(
            f"none of the {len(vectors)} initial words is among the {len(index)} words of the text: "
            "check case and language"
        )
    own, theirs = zip(*shared, strict=True)
    return list(own), list(theirs)


def taken(count: int, size: int, vectors: WordVectors) -> str:
    """Return the sentence that tells how many of the `size` words of a text start from given vectors."""
    return f"{count:,} of {size:,} words start from its {len(vectors):,} vectors, the others at random"
