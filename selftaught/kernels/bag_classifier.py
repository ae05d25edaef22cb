"""Classification of texts by the mean of many rows: those of their words and of their runs of words.

The rows of word i are ``rows[starts[i] : starts[i + 1]]`` of `table`; a run of 2 to `longest` words is hashed to a
bucket b, and has row ``row_of[b]`` of `grams` if that is not negative. What the mean learns from is one of four losses,
see `learn`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

from selftaught.kernels.words import Thresholds, draw, following, mix
from selftaught.kernels.words import begin as first_state

Ids = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Turns = NDArray[np.bool_]

SOFTMAX, HIERARCHICAL, NEGATIVE, ONE_VS_ALL = range(4)
"""What `loss` of `learn` can be."""

_FAST = {"nsz", "arcp", "contract", "reassoc"}  # what is no number stays none, and is seen in the loss
_ZERO, _ONE = np.float32(0), np.float32(1)
_FACTOR = np.uint64(116049371)  # of the fastText tool


@njit(cache=True, nogil=True, inline="always")
def _joined(h: np.uint64, word: np.int32) -> np.uint64:
    """The hash of a run of words with one more; hashes of words are signed numbers."""
    joined: np.uint64 = uint64(h * _FACTOR + uint64(np.int64(word)))
    return joined


@njit(cache=True, nogil=True)
def number_runs(ids: Ids, begins: Ints, ends: Ints, hashes: Ids, longest: int, row_of: Ids) -> int:
    """Numbers the buckets of the runs of words in texts ids[begins:ends] by first sight.

    Row_of[b] becomes the number of b where it was -1.

    Returns how many there are.
    """
    count, bucket = 0, uint64(max(row_of.size, 1))
    for text in range(begins.size):
        for i in range(begins[text], ends[text]):
            h = uint64(np.int64(hashes[ids[i]]))
            for j in range(i + 1, min(i + longest, ends[text])):
                h = _joined(h, hashes[ids[j]])
                b = h % bucket
                if row_of[b] < 0:
                    row_of[b] = count
                    count += 1
    return count


@njit(cache=True, nogil=True, fastmath=_FAST)
def _add(source: Floats, row: int, total: Floats) -> None:
    r = np.uint64(row)
    for n in range(total.size):
        total[n] += source[r, n]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _move(target: Floats, row: int, gradient: Floats) -> None:
    r = np.uint64(row)
    for n in range(gradient.size):
        target[r, n] += gradient[n]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _read(
    ids: Ids,
    begin: int,
    end: int,
    starts: Ints,
    rows: Ids,
    table: Floats,
    hashes: Ids,
    longest: int,
    row_of: Ids,
    grams: Floats,
    mean: Floats,
) -> int:
    """The mean of a text's rows, zeros where it has none; returns how many there are."""
    count, bucket = 0, uint64(max(row_of.size, 1))
    for n in range(mean.size):
        mean[n] = _ZERO
    for i in range(begin, end):
        word = ids[i]
        for r in range(starts[word], starts[word + 1]):
            _add(table, rows[r], mean)
        count += starts[word + 1] - starts[word]
        h = uint64(np.int64(hashes[word]))
        for j in range(i + 1, min(i + longest, end)):
            h = _joined(h, hashes[ids[j]])
            row = row_of[h % bucket]
            if row >= 0:
                _add(grams, row, mean)
                count += 1
    if count > 0:
        share = _ONE / np.float32(count)
        for n in range(mean.size):
            mean[n] *= share
    return count


@njit(cache=True, nogil=True, fastmath=_FAST)
def means(
    ids: Ids,
    begins: Ints,
    ends: Ints,
    starts: Ints,
    rows: Ids,
    table: Floats,
    hashes: Ids,
    longest: int,
    row_of: Ids,
    grams: Floats,
    out: Floats,
) -> None:
    """The mean of each text's rows, into `out` [texts, D]."""
    for text in range(begins.size):
        _read(ids, begins[text], ends[text], starts, rows, table, hashes, longest, row_of, grams, out[text])


@njit(cache=True, nogil=True, fastmath=_FAST, inline="always")
def _dot(out: Floats, row: int, mean: Floats) -> np.float32:
    r, dot = np.uint64(row), _ZERO
    for n in range(mean.size):
        dot += out[r, n] * mean[n]
    return dot


@njit(cache=True, nogil=True, fastmath=_FAST, inline="always")
def _step(out: Floats, row: int, mean: Floats, g: np.float32, gradient: Floats) -> None:
    """Row `row` moves along the mean, and `gradient` takes the row as it was, both times `g`."""
    r = np.uint64(row)
    for n in range(mean.size):
        old = out[r, n]
        gradient[n] += g * old
        out[r, n] = old + g * mean[n]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _softmax(
    out: Floats, mean: Floats, label: int, rate: float, gradient: Floats, score: Doubles
) -> tuple[float, bool]:
    """All classes at once. The loss, and whether the label had the best score; `score` [K] is room to work in."""
    classes, best, total = out.shape[0], 0, 0.0
    for k in range(classes):
        score[k] = _dot(out, k, mean)
        if score[k] > score[best]:
            best = k
    most = score[best]
    loss = most - score[label]
    for k in range(classes):
        score[k] = math.exp(score[k] - most)
        total += score[k]
    for k in range(classes):
        _step(out, k, mean, np.float32(rate * ((1.0 if k == label else 0.0) - score[k] / total)), gradient)
    return loss + math.log(total), best == label


@njit(cache=True, nogil=True, fastmath=_FAST)
def _logistic(out: Floats, row: int, mean: Floats, label: bool, rate: float, gradient: Floats) -> tuple[float, float]:
    """One row against the mean. Its loss, and its score before the step."""
    score = float(_dot(out, row, mean))
    small = math.exp(-abs(score))  # never above 1; exact, as the loss takes the exponential anyway
    chance = (1.0 if score >= 0 else small) / (1 + small)
    _step(out, row, mean, np.float32(rate * ((1.0 if label else 0.0) - chance)), gradient)
    return max(-score if label else score, 0.0) + math.log1p(small), score


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def learn(
    ids: Ids,
    begins: Ints,
    ends: Ints,
    labels: Ints,
    order: Ints,
    starts: Ints,
    rows: Ids,
    table: Floats,
    hashes: Ids,
    longest: int,
    row_of: Ids,
    grams: Floats,
    out: Floats,
    loss: int,
    nodes: Ids,
    left: Turns,
    turns: Ints,
    negatives: int,
    threshold: Thresholds,
    other: Ids,
    seed: int,
    epoch: int,
    rate: float,
    totals: Doubles,
) -> None:
    """One step of regression on each of the texts `order`, with the rows that it is the mean of.

    All tables change in place.

    SOFTMAX has one probability over all classes. The others have a logistic regression at each row of `out` that a text
    meets: HIERARCHICAL those on its class's path, true where that turns left; NEGATIVE its class, true, and `negatives`
    others that are drawn, false; ONE_VS_ALL every class, true for its own.

    Args:
        ids: int32 [N], numbers of words.
        begins: int64 [texts], where each text begins in `ids`.
        ends: int64 [texts].
        labels: int64 [texts], in [0, K).
        order: int64, the texts to learn from, in this order.
        starts: int64 [V + 1], see above.
        rows: int32.
        table: float32 [rows, D].
        hashes: int32 [V], of `subwords.hashes`.
        longest: Words of the longest runs; 1 for none.
        row_of: int32 [buckets], see above.
        grams: float32 [runs, D].
        out: float32 [K, D]; for HIERARCHICAL [K - 1, D], the inner nodes.
        loss: One of the four.
        nodes: int32, of `parts.huffman`, as `left` and `turns` are: class k passes nodes[turns[k] : turns[k + 1]].
        left: bool.
        turns: int64 [K + 1].
        negatives: Draws for each text.
        threshold: Of `parts.alias`, with `other`: the distribution of negatives, [K]; at least two classes can be
            drawn.
        other: See `threshold`.
        seed: With `epoch` and where a text begins, all that its random numbers depend on.
        epoch: See `seed`.
        rate: Learning rate.
        totals: float64 [4], added to: loss, texts, those whose label had the best score (0 where not all have one:
            HIERARCHICAL and NEGATIVE), words.
    """
    dim, classes, bucket = table.shape[1], out.shape[0], uint64(max(row_of.size, 1))
    mean, gradient, score = np.empty(dim, np.float32), np.empty(dim, np.float32), np.empty(classes, np.float64)
    for text in order:
        begin, end, label = begins[text], ends[text], labels[text]
        totals[3] += end - begin
        count = _read(ids, begin, end, starts, rows, table, hashes, longest, row_of, grams, mean)
        if count == 0:
            continue
        for n in range(dim):
            gradient[n] = _ZERO
        lost, right = 0.0, False
        if loss == SOFTMAX:
            lost, right = _softmax(out, mean, label, rate, gradient, score)
        elif loss == HIERARCHICAL:
            for j in range(turns[label], turns[label + 1]):
                lost += _logistic(out, nodes[j], mean, left[j], rate, gradient)[0]
        elif loss == NEGATIVE:
            lost = _logistic(out, label, mean, True, rate, gradient)[0]
            state = first_state(seed, epoch, begin)
            for _ in range(negatives):
                drawn = label
                while drawn == label:
                    state = following(state)
                    drawn = draw(threshold, other, mix(state))
                lost += _logistic(out, drawn, mean, False, rate, gradient)[0]
        else:
            best = 0
            for k in range(classes):
                part, score[k] = _logistic(out, k, mean, k == label, rate, gradient)
                lost += part
                if score[k] > score[best]:
                    best = k
            right = best == label
        totals[0] += lost
        totals[1] += 1
        totals[2] += right
        share = _ONE / np.float32(count)
        for n in range(dim):
            gradient[n] *= share
        for i in range(begin, end):
            word = ids[i]
            for r in range(starts[word], starts[word + 1]):
                _move(table, rows[r], gradient)
            h = uint64(np.int64(hashes[word]))
            for j in range(i + 1, min(i + longest, end)):
                h = _joined(h, hashes[ids[j]])
                row = row_of[h % bucket]
                if row >= 0:
                    _move(grams, row, gradient)
