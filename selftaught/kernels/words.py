"""Common code of the loops over words: random numbers, sampling, subsampling and a table of the logistic function.

Random numbers come from SplitMix64 (Steele, Lea, Flood 2014): a counter with a constant increment, and a mixer. Draws
do not depend on the previous draw, and the numbers of a sentence start from its position in the corpus: a pure function
of (seed, epoch, position).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Word = np.uint64
Ids = NDArray[np.int32]
Ints = NDArray[np.int64]
Thresholds = NDArray[np.uint32]
Floats = NDArray[np.float32]

EDGE = 6.0  # beyond +-6 the logistic function is 0 or 1, as in the original tool
ENTRIES = 1024

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_EDGE, _SCALE = np.float32(EDGE), np.float32(ENTRIES / (2 * EDGE))
_LEAST, _MOST = np.float32(-1), np.float32(ENTRIES)


@njit(cache=True, nogil=True, inline="always")
def mix(state: Word) -> Word:
    """Return SplitMix64's 64 random bits for a state. `following` returns the next state."""
    z = (state ^ (state >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    return z ^ (z >> _31)


@njit(cache=True, nogil=True, inline="always")
def following(state: Word) -> Word:
    """Return the state after `state`: ``state = following(state); bits = mix(state)`` is SplitMix64."""
    return state + _STEP


@njit(cache=True, nogil=True, inline="always")
def begin(seed: int, epoch: int, position: int) -> Word:
    """Return the initial state of a sentence; `position` is where it begins in the corpus."""
    state = mix(np.uint64(seed) + _STEP)
    state = mix((state ^ np.uint64(epoch)) + _STEP)
    return np.uint64(mix((state ^ np.uint64(position)) + _STEP))


@njit(cache=True, nogil=True, inline="always")
def below(bits: Word, n: int) -> np.int64:
    """Return a uniform integer in [0, n), n at most 2^32, from 64 random bits."""
    return np.int64(((bits >> _32) * np.uint64(n)) >> _32)


@njit(cache=True, nogil=True, inline="always")
def draw(threshold: Thresholds, other: Ids, bits: Word) -> np.int64:
    """Return an element of the distribution of `parts.alias.alias`, from 64 random bits."""
    slot = ((bits >> _32) * np.uint64(threshold.size)) >> _32
    # both are read to avoid a branch, which would be mispredicted half of the time
    own, another = np.int64(slot), np.int64(other[slot])
    return own if (bits & _LOW) < np.uint64(threshold[slot]) else another


@njit(cache=True, nogil=True, inline="always")
def kept(keep: Thresholds, word: int, bits: Word) -> bool:
    """Return whether this occurrence of `word` survives subsampling."""
    return bool((bits >> _32) <= keep[word])


def keep_thresholds(counts: Ints, sample: float) -> Thresholds:
    """Return how often each word is kept, for `kept`: uint32 [V].

    An occurrence is kept with probability ``(threshold + 1) / 2^32``. The probability is that of the original tool,
    min(1, (sqrt(f / t) + 1) t / f), with f the fraction of the word in all `counts` and t = `sample`: 1 up to f = 2.6
    t. The paper (Mikolov et al., NIPS 2013) uses sqrt(t / f). A `sample` of 0 keeps all.
    """
    if sample <= 0:
        return np.full(len(counts), 2**32 - 1, np.uint32)
    ratio = np.maximum(counts, 1) / (sample * max(int(counts.sum()), 1))  # f / t
    probability = np.minimum((np.sqrt(ratio) + 1) / ratio, 1.0)
    return np.maximum(np.round(probability * 2.0**32) - 1, 0).astype(np.uint32)


def sigmoid_table() -> Floats:
    """Return the logistic function at the middle of each of 1,024 steps from -6 to 6, with a 0 before and a 1 after.

    Float32 [1026].
    """
    middles = (np.arange(ENTRIES) + 0.5) * (2 * EDGE / ENTRIES) - EDGE
    return np.concatenate([[0.0], 1 / (1 + np.exp(-middles)), [1.0]]).astype(np.float32)


@njit(cache=True, nogil=True, inline="always")
def sigmoid(table: Floats, score: np.float32) -> np.float32:
    """Return the logistic function of `score` from `sigmoid_table`, with an error of at most 0.0015 in +-6.

    Beyond, it is 0 or 1.
    """
    place = (score + _EDGE) * _SCALE
    place = min(max(place, _LEAST), _MOST)
    return np.float32(table[np.int64(place + np.float32(1))])


@njit(cache=True, nogil=True)
def logistic_loss(score: float, label: bool) -> float:
    """Return ``-log(sigmoid(score))`` for a true pair, ``-log(sigmoid(-score))`` for a false pair, without overflow."""
    s = -score if label else score
    return max(s, 0.0) + math.log1p(math.exp(-abs(s)))
