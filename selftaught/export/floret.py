"""spaCy's floret tables, which give every word a vector from few rows, made from word vectors with character n-grams.

A file is text: ``bucket dim minn maxn hashes seed < >``, then one line ``row number number ...`` per row, in order. See
`kernels/floret` for the hashes. spaCy reads it with ``spacy init vectors LANG FILE OUT --mode floret``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selftaught.kernels.floret import SEED, rows, sweep
from selftaught.kernels.subwords import marked
from selftaught.parts.subword_rows import SubwordRows
from selftaught.parts.word_vectors import WordVectors

HASHES = 2
"""Rows of each n-gram, as floret's authors use."""
TIMES = 4
"""Rows for each word. With so many, the table gives words almost exactly their vectors (cosine 0.999), and unseen words
nearly those of the run (0.94); half as many give 0.998 and 0.89.
"""
LEAST = 1000
"""Rows of the smallest table."""
SWEEPS, ENOUGH = 100, 0.02
"""The most sweeps over all words, and the part of the vectors' length that may be missing after them."""


def table(vectors: WordVectors, grams: SubwordRows) -> NDArray[np.float32]:
    """Return a table from which floret makes the vectors of all words, nearly: float32 [bucket, D].

    The run's own n-grams have far more rows, so its table cannot be copied. This one is fitted to the words.

    Args:
        vectors: The words and their vectors.
        grams: Which n-grams they are made of.
    """
    found = np.zeros((size(len(vectors)), vectors.dim), np.float32)
    text, offsets = marked(vectors.words)
    starts, places = rows(text, offsets, grams.minn, grams.maxn, HASHES, len(found))
    matrix = np.ascontiguousarray(vectors.matrix, np.float32)
    whole = float(np.square(matrix, dtype=np.float64).sum())
    for _ in range(SWEEPS):
        if sweep(found, starts, places, matrix) <= ENOUGH**2 * whole:
            break
    return found


def size(words: int) -> int:
    """Return the number of rows for so many words."""
    return max(TIMES * words, LEAST)


def header(made: NDArray[np.float32], grams: SubwordRows) -> bytes:
    """Return the first line of the file of a table."""
    return b"%d %d %d %d %d %d < >\n" % (*made.shape, grams.minn, grams.maxn, HASHES, SEED)
