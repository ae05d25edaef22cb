"""GloVe's loop: weighted least squares on the logarithms of counts, one pair of words after the other, with AdaGrad.

A word's numbers lie side by side, [2, D + 1]: its vector and its bias, and below them what AdaGrad has summed for each.
One step reads and writes such a block of the word and one of the context word; dot product and update run over
contiguous memory as vector code.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from selftaught.kernels.words import Floats, Ids

_FAST = {"nsz", "arcp", "contract", "reassoc"}  # NaN and infinity keep their meaning: they end a run


@njit(cache=True, nogil=True)
def weight(count: float, x_max: float, power: float) -> float:
    """How much a pair counts: ``f(x) = min((x / x_max) ** power, 1)``."""
    return 1.0 if count >= x_max else (count / x_max) ** power


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _step(
    words: Floats, contexts: Floats, i: int, j: int, log: np.float32, f: np.float32, rate: np.float32, clip: np.float32
) -> float:
    """One step for word i beside context word j. Returns f times the squared error before it."""
    d = words.shape[2] - 1
    error = words[i, 0, d] + contexts[j, 0, d] - log
    for k in range(d):
        error += words[i, 0, k] * contexts[j, 0, k]
    slope = f * error
    for k in range(d):
        w, c = words[i, 0, k], contexts[j, 0, k]
        dw = rate * min(max(slope * c, -clip), clip)
        dc = rate * min(max(slope * w, -clip), clip)
        words[i, 0, k] = w - dw / np.sqrt(words[i, 1, k])
        contexts[j, 0, k] = c - dc / np.sqrt(contexts[j, 1, k])
        words[i, 1, k] += dw * dw
        contexts[j, 1, k] += dc * dc
    db = rate * min(max(slope, -clip), clip)
    words[i, 0, d] -= db / np.sqrt(words[i, 1, d])
    contexts[j, 0, d] -= db / np.sqrt(contexts[j, 1, d])
    words[i, 1, d] += db * db
    contexts[j, 1, d] += db * db
    return float(slope * error)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def train(
    first: Ids, second: Ids, counts: Floats, begin: int, end: int, both: bool,
    words: Floats, contexts: Floats, rate: float, x_max: float, power: float, clip: float,
) -> float:  # fmt: skip
    """Pairs begin .. end, in place. Returns the sum over all steps of ``f(x) (w.c + b + b~ - log x)^2 / 2``.

    Args:
        first: Rows of `words`, int32 [M].
        second: Rows of `contexts`, int32 [M].
        counts: x, greater than 0, float32 [M].
        begin: The first pair.
        end: The pair after the last one.
        both: Each pair stands for its mirror image too (but for a word with itself), which is a step of its own: it
            touches other rows.
        words: float32 [V, 2, D + 1]: vectors and biases, and their squared sums, which start at 1.
        contexts: The same for words as context.
        rate: AdaGrad's rate. As in the authors' program the sums are of squares of rate times gradient.
        x_max: Where f reaches 1.
        power: Of f.
        clip: Largest absolute value of a gradient.
    """
    total, eta, most = 0.0, np.float32(rate), np.float32(clip)
    for t in range(begin, end):
        i, j = np.int64(first[t]), np.int64(second[t])
        log, f = np.float32(np.log(counts[t])), np.float32(weight(counts[t], x_max, power))
        total += _step(words, contexts, i, j, log, f, eta, most)
        if both and i != j:
            total += _step(words, contexts, j, i, log, f, eta, most)
    return total / 2
