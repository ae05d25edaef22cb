"""Counting pairs of neighbouring words and joining some of them, over a text as integers. See `parts/phrases`.

A pair of words is the key ``first << 32 | second``, plus 1, so that 0 is an empty slot. Tables of keys have open
addresses and a power of two of slots, of which at least one stays empty.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from selftaught.kernels.words import Ids, Ints, mix

Keys = NDArray[np.uint64]

AT, SENTENCE = range(2)
"""Elements of the state of `join`: the next position in the text, and the sentence that it is in."""
_32, _ONE, _NONE = np.uint64(32), np.uint64(1), np.uint64(0)


@njit(cache=True, nogil=True, inline="always")
def _slot(keys: Keys, first: int, second: int) -> tuple[np.uint64, np.uint64]:
    """Return the key of a pair, and the slot where it is or would be."""
    key = (np.uint64(first) << _32 | np.uint64(second)) + _ONE
    mask = np.uint64(keys.size - 1)
    slot = mix(key) & mask
    while keys[slot] != _NONE and keys[slot] != key:
        slot = (slot + _ONE) & mask
    return key, slot


@njit(cache=True, nogil=True)
def count(ids: Ids, sentences: Ints, firsts: Ints, words: Ints, keys: Keys, counts: Ints) -> None:
    """Count the pairs of neighbours within sentences.

    Args:
        ids: int32 [N].
        sentences: int64 [S + 1].
        firsts: Only pairs whose first word is in [firsts[0], firsts[1]).
        words: Only pairs whose words are in [words[0], words[1]).
        keys: In and out: a table with room for all these pairs, uint64.
        counts: In and out: the count of each slot, int64.
    """
    low, high = max(firsts[0], words[0]), min(firsts[1], words[1])
    for sentence in range(sentences.size - 1):
        for at in range(sentences[sentence], sentences[sentence + 1] - 1):
            first, second = ids[at], ids[at + 1]
            if first < low or first >= high or second < words[0] or second >= words[1]:
                continue
            key, slot = _slot(keys, first, second)
            keys[slot] = key
            counts[slot] += 1


@njit(cache=True, nogil=True)
def enter(firsts: Ids, seconds: Ids, made: Ids, keys: Keys, values: Ids) -> None:
    """Put pairs of words, int32 [P], into a table, with the word that each of them becomes."""
    for k in range(firsts.size):
        key, slot = _slot(keys, firsts[k], seconds[k])
        keys[slot] = key
        values[slot] = made[k]


@njit(cache=True, nogil=True)
def join(
    ids: Ids, sentences: Ints, stop: int, words: Ints, keys: Keys, values: Ids, state: Ints, out: Ids, ends: Ints
) -> tuple[int, int]:
    """Join pairs from left to right, from ``state[AT]`` to `stop` or one word beyond it.

    Args:
        ids: int32 [N].
        sentences: int64 [S + 1].
        stop: Where this part of the text ends.
        words: No pair has words outside [words[0], words[1]).
        keys: The table of pairs, uint64.
        values: The word of each slot, int32.
        state: In and out, int64 [2].
        out: Out: the words after joining, int32, as long as this part and one more.
        ends: Out: where each sentence that ends here ends in `out`, int64.

    Returns:
        The number of words in `out` and of sentences in `ends`.
    """
    at, sentence, n, closed = state[AT], state[SENTENCE], 0, 0
    while True:
        while sentence + 1 < sentences.size and sentences[sentence + 1] == at:
            ends[closed] = n
            closed += 1
            sentence += 1
        if at >= stop:
            break
        first = ids[at]
        word = first
        at += 1
        if at < sentences[sentence + 1] and first >= words[0] and first < words[1]:
            key, slot = _slot(keys, first, ids[at])
            if keys[slot] == key:
                word = values[slot]
                at += 1
        out[n] = word
        n += 1
    state[AT], state[SENTENCE] = at, sentence
    return n, closed
