"""The words around a word, and the groups that words fall into."""

from __future__ import annotations

import numpy as np
import torch

from selftaught.errors import UserError
from selftaught.evaluate.words.analogy import best
from selftaught.evaluate.words.known import find
from selftaught.parts.kmeans import kmeans
from selftaught.parts.word_vectors import WordVectors


def nearest(vectors: WordVectors, word: str, k: int = 10) -> list[tuple[str, float]]:
    """The k words with the largest cosine to `word`, itself left out, each with its cosine.

    The word is found as written, else in lower case; vectors that know words by their parts take any word. Raises
    UserError, with near spellings, for a word without a vector.
    """
    row, vector = find(vectors, word)
    length = max(float(np.linalg.norm(vector)), 1e-12)
    return best(vectors, vectors.unit @ (vector / np.float32(length)), k, [] if row is None else [row])


def clusters(vectors: WordVectors, k: int, most: int = 2000, seed: int = 0) -> list[list[str]]:
    """The first `most` words in k groups by k-means over vectors of length 1.

    The largest group first, in it the most central word first.

    Raises UserError when k is not between 1 and the number of words.
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
