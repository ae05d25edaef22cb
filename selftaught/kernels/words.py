"""What the loops over words share: random numbers, draws by count, subsampling, and the logistic function by table.

Random numbers come from SplitMix64 (Steele, Lea, Flood 2014): a counter that moves by a constant, and a mixer. One draw
does not wait for the one before, and a sentence's numbers start from where it stands in the corpus: a pure function of
(seed, epoch, position).
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

EDGE = 6.0  # beyond +-6 the logistic function counts as 0 or 1, as in the original tool
ENTRIES = 1024

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_EDGE, _SCALE = np.float32(EDGE), np.float32(ENTRIES / (2 * EDGE))
_LEAST, _MOST = np.float32(-1), np.float32(ENTRIES)


@njit(cache=True, nogil=True, inline="always")
def mix(state: Word) -> Word:
    """SplitMix64's mixer: 64 random bits from a state, which moves on by `following`."""
    z = (state ^ (state >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    return z ^ (z >> _31)


@njit(cache=True, nogil=True, inline="always")
def following(state: Word) -> Word:
    """The state after `state`: ``state = following(state); bits = mix(state)`` is SplitMix64."""
    return state + _STEP


@njit(cache=True, nogil=True, inline="always")
def begin(seed: int, epoch: int, position: int) -> Word:
    """The state that a sentence starts with; `position` is where it begins in the corpus."""
    state = mix(np.uint64(seed) + _STEP)
    state = mix((state ^ np.uint64(epoch)) + _STEP)
    return np.uint64(mix((state ^ np.uint64(position)) + _STEP))


@njit(cache=True, nogil=True, inline="always")
def below(bits: Word, n: int) -> np.int64:
    """A uniform integer in [0, n), n at most 2^32, from 64 random bits."""
    return np.int64(((bits >> _32) * np.uint64(n)) >> _32)


@njit(cache=True, nogil=True, inline="always")
def draw(threshold: Thresholds, other: Ids, bits: Word) -> np.int64:
    """An element of the distribution of `parts.alias.alias`, from 64 random bits."""
    slot = ((bits >> _32) * np.uint64(threshold.size)) >> _32
    # both are read, so that no branch is: half the guesses would be wrong
    own, another = np.int64(slot), np.int64(other[slot])
    return own if (bits & _LOW) < np.uint64(threshold[slot]) else another


@njit(cache=True, nogil=True, inline="always")
def kept(keep: Thresholds, word: int, bits: Word) -> bool:
    """Does this occurrence of `word` survive subsampling?"""
    return bool((bits >> _32) <= keep[word])


def keep_thresholds(counts: Ints, sample: float) -> Thresholds:
    """How often each word is kept, for `kept`: uint32 [V].

    An occurrence stays with probability ``(threshold + 1) / 2^32``.

    The probability is the original tool's, min(1, (sqrt(f / t) + 1) t / f) with f a word's share of all `counts` and t
    = `sample`: 1 up to f = 2.6 t. The paper (Mikolov et al., NIPS 2013) writes sqrt(t / f). A `sample` of 0 keeps all.
    """
    if sample <= 0:
        return np.full(len(counts), 2**32 - 1, np.uint32)
    ratio = np.maximum(counts, 1) / (sample * max(int(counts.sum()), 1))  # f / t
    probability = np.minimum((np.sqrt(ratio) + 1) / ratio, 1.0)
    return np.maximum(np.round(probability * 2.0**32) - 1, 0).astype(np.uint32)


def sigmoid_table() -> Floats:
    """The logistic function in the middle of each of 1,024 steps from -6 to 6, with a 0 before and a 1 after.

    Float32 [1026].
    """
    middles = (np.arange(ENTRIES) + 0.5) * (2 * EDGE / ENTRIES) - EDGE
    return np.concatenate([[0.0], 1 / (1 + np.exp(-middles)), [1.0]]).astype(np.float32)


@njit(cache=True, nogil=True, inline="always")
def sigmoid(table: Floats, score: np.float32) -> np.float32:
    """The logistic function of `score`, from `sigmoid_table`: off by 0.0015 at most inside +-6, and 0 or 1 beyond."""
    place = (score + _EDGE) * _SCALE
    place = min(max(place, _LEAST), _MOST)
    return np.float32(table[np.int64(place + np.float32(1))])


@njit(cache=True, nogil=True)
def logistic_loss(score: float, label: bool) -> float:
    """``-log(sigmoid(score))`` of a true pair, ``-log(sigmoid(-score))`` of a false one, without overflow."""
    s = -score if label else score
    return max(s, 0.0) + math.log1p(math.exp(-abs(s)))
