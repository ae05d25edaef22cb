"""Skip-gram and CBOW over words that are the mean of several rows: their own and those of their character n-grams.

The rows of word i are ``rows[starts[i] : starts[i + 1]]``, some twenty. To read and to change them for every pair of
words would be nearly all of the work, so each occurrence of a word is read once, when the first window reaches it: its
mean x_i then lives in scratch, moves with every gradient, and what it has moved by is added to each of its rows once,
when the last window has passed. A window of m occurrences meets the k targets t_j of its centre (the centre's own output vector, label 1, and those of words drawn, label 0)::

    g_ij = rate (label_j - sigmoid(x_i . t_j))        x_i += sum_j g_ij t_j        t_j += sum_i g_ij x_i

What is added back to the tables are differences, so that threads which work on them without locks lose each other's
updates rarely.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

from selftaught.kernels.words import (
    Floats,
    Ids,
    Ints,
    Thresholds,
    Word,
    begin,
    below,
    draw,
    following,
    kept,
    logistic_loss,
    mix,
    sigmoid,
)

Doubles = NDArray[np.float64]

LONGEST = 1024  # words that count as one sentence at most, as in the original tool: no window reaches over the cut
LANES = 16  # scratch rows are padded to a multiple of this many numbers

_FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}
_ZERO, _ONE = np.float32(0), np.float32(1)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _enter(table: Floats, rows: Ids, first: int, last: int, x: Floats, start: Floats, place: int) -> None:
    """The mean of rows[first:last] of `table` into x[place] and start[place]."""
    dim, p, scale = table.shape[1], np.uint64(place), _ONE / np.float32(last - first)
    row = np.uint64(rows[first])
    for n in range(dim):
        x[p, n] = table[row, n]
    i = first + 1
    while i + 1 < last:
        row, next_row = np.uint64(rows[i]), np.uint64(rows[i + 1])
        for n in range(dim):
            x[p, n] += table[row, n] + table[next_row, n]
        i += 2
    if i < last:
        row = np.uint64(rows[i])
        for n in range(dim):
            x[p, n] += table[row, n]
    for n in range(dim):
        x[p, n] *= scale
        start[p, n] = x[p, n]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _leave(table: Floats, rows: Ids, first: int, last: int, x: Floats, start: Floats, place: int) -> None:
    """Each of the rows moves as far as the mean did: the whole gradient, as in the original tool."""
    dim, p = table.shape[1], np.uint64(place)
    for n in range(dim):
        start[p, n] = x[p, n] - start[p, n]
    for i in range(first, last):
        row = np.uint64(rows[i])
        for n in range(dim):
            table[row, n] += start[p, n]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _score(x: Floats, low: int, high: int, t: Floats, targets: int, scores: Floats) -> None:
    """``scores[i - low, j] = x_i . t_j`` for i from `low` to before `high`."""
    width = x.shape[1]
    for j in range(0, targets, 3):
        i = low
        while i + 1 < high:
            a = b = c = d = e = f = _ZERO
            for n in range(width):
                u, v = x[i, n], x[i + 1, n]
                p, q, r = t[j, n], t[j + 1, n], t[j + 2, n]
                a += u * p
                b += u * q
                c += u * r
                d += v * p
                e += v * q
                f += v * r
            scores[i - low, j], scores[i - low, j + 1], scores[i - low, j + 2] = a, b, c
            scores[i - low + 1, j], scores[i - low + 1, j + 1], scores[i - low + 1, j + 2] = d, e, f
            i += 2
        if i < high:
            a = b = c = _ZERO
            for n in range(width):
                u = x[i, n]
                a += u * t[j, n]
                b += u * t[j + 1, n]
                c += u * t[j + 2, n]
            scores[i - low, j], scores[i - low, j + 1], scores[i - low, j + 2] = a, b, c


@njit(cache=True, nogil=True, fastmath=_FAST)
def _move(x: Floats, low: int, high: int, t: Floats, targets: int, g: Floats, moved: Floats) -> None:
    """``moved_j = sum_i g_ij x_i``, then ``x_i += sum_j g_ij t_j``."""
    width = x.shape[1]
    for j in range(0, targets, 3):
        for n in range(width):
            moved[j, n] = _ZERO
            moved[j + 1, n] = _ZERO
            moved[j + 2, n] = _ZERO
        i = low
        while i + 1 < high:
            a, b, c = g[i - low, j], g[i - low, j + 1], g[i - low, j + 2]
            d, e, f = g[i - low + 1, j], g[i - low + 1, j + 1], g[i - low + 1, j + 2]
            for n in range(width):
                u, v = x[i, n], x[i + 1, n]
                moved[j, n] += a * u + d * v
                moved[j + 1, n] += b * u + e * v
                moved[j + 2, n] += c * u + f * v
            i += 2
        if i < high:
            a, b, c = g[i - low, j], g[i - low, j + 1], g[i - low, j + 2]
            for n in range(width):
                u = x[i, n]
                moved[j, n] += a * u
                moved[j + 1, n] += b * u
                moved[j + 2, n] += c * u
    for j in range(0, targets, 3):
        for i in range(low, high):
            a, b, c = g[i - low, j], g[i - low, j + 1], g[i - low, j + 2]
            for n in range(width):
                x[i, n] += a * t[j, n] + b * t[j + 1, n] + c * t[j + 2, n]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _average(x: Floats, low: int, high: int, centre: int, sentence: Ids, starts: Ints, mean: Floats) -> None:
    """The mean of all rows of the window's words but the centre, into mean[0].

    A word counts as often as it has rows.
    """
    width, total = x.shape[1], _ZERO
    for n in range(width):
        mean[0, n] = _ZERO
    for i in range(low, high):
        if i != centre:
            share = np.float32(starts[sentence[i] + 1] - starts[sentence[i]])
            total += share
            for n in range(width):
                mean[0, n] += share * x[i, n]
    for n in range(width):
        mean[0, n] /= total


@njit(cache=True, nogil=True, fastmath=_FAST)
def _share(x: Floats, low: int, high: int, centre: int, mean: Floats, before: Floats) -> None:
    """Every word of the window but the centre moves as far as their mean did."""
    width = x.shape[1]
    for n in range(width):
        before[n] = mean[0, n] - before[n]
    for i in range(low, high):
        if i != centre:
            for n in range(width):
                x[i, n] += before[n]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _rates(g: Floats, inputs: int, skipped: int, target: Ids, targets: int, logistic: Floats, step: np.float32) -> None:
    """Scores become gradients, in place: none for the input `skipped`, nor for a negative that is the centre itself."""
    for i in range(inputs):
        for j in range(targets):
            if i == skipped or (j > 0 and target[j] == target[0]):
                g[i, j] = _ZERO
            else:
                g[i, j] = ((_ONE if j == 0 else _ZERO) - sigmoid(logistic, g[i, j])) * step


@njit(cache=True, nogil=True)
def _measure(scores: Floats, inputs: int, skipped: int, target: Ids, targets: int, totals: Doubles) -> None:
    """Adds the loss of the pairs that `_rates` learns from, and how many there are."""
    for i in range(inputs):
        if i != skipped:
            totals[1] += 1
            for j in range(targets):
                if j == 0 or target[j] != target[0]:
                    totals[0] += logistic_loss(scores[i, j], j == 0)


@njit(cache=True, nogil=True)
def _sentence(
    ids: Ids, first: int, last: int, size: int, keep: Thresholds, state: Word, sentence: Ids
) -> tuple[int, Word]:
    """The words of ids[first:last] that are known and survive subsampling, into `sentence`.

    How many, and the state after.
    """
    count = 0
    for p in range(first, last):
        if ids[p] < size:
            state = following(state)
            if kept(keep, ids[p], mix(state)):
                sentence[count] = ids[p]
                count += 1
    return count, state


@njit(cache=True, nogil=True, fastmath=_FAST)
def learn(
    ids: Ids,
    sentences: Ints,
    order: Ints,
    starts: Ints,
    rows: Ids,
    table: Floats,
    out: Floats,
    keep: Thresholds,
    threshold: Thresholds,
    other: Ids,
    logistic: Floats,
    window: int,
    negative: int,
    cbow: bool,
    shared: bool,
    rate: float,
    seed: int,
    epoch: int,
    measure: int,
    totals: Doubles,
) -> None:
    """Learn from the sentences of `order`; `table` [rows, D] and `out` [V, D] change in place.

    Args:
        ids: int32 [N], the corpus; ids from V on are passed over.
        sentences: int64 [S + 1], where each begins in `ids`.
        order: int64, the sentences to learn from.
        starts: int64 [V + 1], where each word's rows begin in `rows`.
        rows: int32, rows of `table`.
        table: What is kept: words, then n-grams.
        out: The output vectors.
        keep: Of `words.keep_thresholds`, uint32 [V].
        threshold: Of `parts.alias`, with `other`: the distribution of negatives.
        other: See `threshold`.
        logistic: Of `words.sigmoid_table`.
        window: Most words on each side; each centre draws its own number from 1 to this.
        negative: Negatives for each pair, or for each window; at least 1.
        cbow: The mean of all rows of the window is the one input, and each of them takes its gradient; else each word
            is one.
        shared: The words of a window meet the same negatives, all at once; else each draws its own. No difference to
            CBOW.
        rate: Learning rate.
        seed: With `epoch` and a sentence's place in the corpus, all that the random numbers depend on.
        epoch: See `seed`.
        measure: A power of two: the loss is that of one centre in so many, because logarithms cost as much as the
            learning.
        totals: float64 [3], added to: loss, pairs that it was measured on, words of the corpus that were seen.
    """
    size, dim = starts.size - 1, table.shape[1]
    width, targets = -(-dim // LANES) * LANES, 1 + negative
    padded = -(-targets // 3) * 3
    sentence, target = np.empty(LONGEST, np.int32), np.empty(targets, np.int32)
    x, start = np.zeros((LONGEST, width), np.float32), np.zeros((LONGEST, width), np.float32)
    mean, before = np.zeros((1, width), np.float32), np.zeros(width, np.float32)
    t, moved = np.zeros((padded, width), np.float32), np.zeros((padded, width), np.float32)
    g = np.zeros((2 * window + 1, padded), np.float32)
    alone = cbow or shared
    for turn in range(order.size):
        s = order[turn]
        totals[2] += sentences[s + 1] - sentences[s]
        for cut in range(sentences[s], sentences[s + 1], LONGEST):
            state = begin(seed, epoch, cut)
            count, state = _sentence(ids, cut, min(cut + LONGEST, sentences[s + 1]), size, keep, state, sentence)
            entered = 0
            for p in range(count if count > 1 else 0):
                while entered < min(p + window + 1, count):
                    word = sentence[entered]
                    _enter(table, rows, starts[word], starts[word + 1], x, start, entered)
                    entered += 1
                state = following(state)
                bits = mix(state)
                low = max(p - 1 - below(bits, window), 0)
                high = min(p + 2 + below(bits, window), count)
                measured = bits & uint64(measure - 1) == 0
                if cbow:
                    _average(x, low, high, p, sentence, starts, mean)
                    before[:] = mean[0]
                for turn in range(1 if alone else high - low):
                    # Which inputs meet these targets, and which of them is the centre itself
                    block, a, b = (
                        (mean, 0, 1) if cbow else (x, low, high) if shared else (x, low + turn, low + turn + 1)
                    )
                    skipped = -1 if cbow else p - a
                    if skipped == 0 and b - a == 1:
                        continue
                    target[0] = sentence[p]
                    for j in range(targets):
                        if j > 0:
                            state = following(state)
                            target[j] = draw(threshold, other, mix(state))
                        row = np.uint64(target[j])
                        for n in range(dim):
                            t[j, n] = out[row, n]
                    _score(block, a, b, t, targets, g)
                    if measured:
                        _measure(g, b - a, skipped, target, targets, totals)
                    _rates(g, b - a, skipped, target, targets, logistic, np.float32(rate))
                    _move(block, a, b, t, targets, g, moved)
                    for j in range(targets):
                        row = np.uint64(target[j])
                        for n in range(dim):
                            out[row, n] += moved[j, n]
                if cbow:
                    _share(x, low, high, p, mean, before)
                if p >= window:
                    word = sentence[p - window]
                    _leave(table, rows, starts[word], starts[word + 1], x, start, p - window)
            for p in range(max(count - window, 0), entered):
                word = sentence[p]
                _leave(table, rows, starts[word], starts[word + 1], x, start, p)
