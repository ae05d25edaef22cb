"""Read windows out of a text as one stream of numbers, with marks between sentences and documents."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def read(
    ids: NDArray[np.int32],
    sentences: Ints,
    begins: Ints,
    table: NDArray[np.int32],
    words: int,
    start: int,
    end: int,
    places: Ints,
    out: Ints,
) -> None:
    """Write the symbols from each of `places` on to a row of `out`. After the last symbol comes the first one again.

    A document is `start`, then its sentences; a sentence is its tokens, then `end`.

    Args:
        ids: int32 [N].
        sentences: Where each sentence begins in `ids`, and the end, int64 [S + 1].
        begins: The place of the first symbol of each sentence, its `start` included, and the end, int64 [S + 1].
        table: Maps `ids` to the numbers 0 .. words, int32; empty if min(id, words) does.
        words: V.
        start: The number of the mark before a document.
        end: The number of the mark after a sentence.
        places: int64 [B], each in [0, begins[S]).
        out: int64 [B, L].
    """
    last = begins.size - 1
    for row in range(places.size):
        place = places[row]
        sentence = np.searchsorted(begins, place, side="right") - 1
        for column in range(out.shape[1]):
            while place >= begins[sentence + 1]:
                sentence += 1
                if sentence == last:
                    sentence, place = 0, 0
            size = sentences[sentence + 1] - sentences[sentence]
            at = size - (begins[sentence + 1] - 1 - place)  # the token's number in the sentence; -1 is the start mark
            if at < 0:
                out[row, column] = start
            elif at == size:
                out[row, column] = end
            else:
                word = ids[sentences[sentence] + at]
                out[row, column] = table[word] if table.size else min(word, words)
            place += 1
