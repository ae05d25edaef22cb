"""Nearest words, and clusters of words."""

from __future__ import annotations

import numpy as np
import torch

from selftaught.errors import UserError
from selftaught.evaluate.words.analogy import best
from selftaught.evaluate.words.known import find
from selftaught.parts.kmeans import kmeans
from selftaught.parts.word_vectors import WordVectors


def nearest(vectors: WordVectors, word: str, k: int = 10) -> list[tuple[str, float]]:
    """Return the k words with the largest cosine to `word`, excluding itself, each with its cosine.

    >>> matrix = np.array([[1, 0], [3, 4], [0, 1]], np.float32)
    >>> vectors = WordVectors(("bank", "money", "tree"), matrix)
    >>> [(word, round(cosine, 2)) for word, cosine in nearest(vectors, "bank", 2)]
    [('money', 0.6), ('tree', 0.0)]

    The word is looked up as written, then in lower case; vectors built from n-grams accept any word. Raises UserError,
    with similar spellings, if the word has no vector.
    """
    row, vector = find(vectors, word)
    length = max(float(np.linalg.norm(vector)), 1e-12)
    return best(vectors, vectors.unit @ (vector / np.float32(length)), k, [] if row is None else [row])


def clusters(vectors: WordVectors, k: int, most: int = 2000, seed: int = 0) -> list[list[str]]:
    """Put the first `most` words into k clusters by k-means over vectors of length 1.

    The largest cluster comes first, and in each the most central word comes first.

    Raises UserError if k is not between 1 and the number of words.
    """
    unit = vectors.unit[:most]
    if not 1 <= k <= len(unit):
        raise UserError(f"{len(unit)} words cannot be put into {k} groups: use 1 to {len(unit)} groups")
    labels, centres = (part.numpy() for part in kmeans(torch.from_numpy(unit), k, 50, seed))
    closeness = (unit * centres[labels]).sum(1)
    groups = [np.flatnonzero(labels == group) for group in range(k)]
    sorted_groups = sorted(
        (rows[np.argsort(-closeness[rows], kind="stable")] for rows in groups), key=len, reverse=True
    )
    return [[vectors.words[int(row)] for row in rows] for rows in sorted_groups]
