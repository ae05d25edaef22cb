"""Classification of texts by the mean of many rows: those of their words and of their runs of words.

The rows of word i are ``rows[starts[i] : starts[i + 1]]`` of `table`; a run of 2 to `longest` words is hashed to a bucket b, and has row
``row_of[b]`` of `grams` if that is not negative.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

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
    """Numbers the buckets of the runs of words in texts ids[begins:ends] by first sight: row_of[b] becomes the number of b where it was -1.

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
    ids: Ids, begin: int, end: int, starts: Ints, rows: Ids, table: Floats, hashes: Ids, longest: int, row_of: Ids, grams: Floats,
    mean: Floats,
) -> int:  # fmt: skip
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
    ids: Ids, begins: Ints, ends: Ints, starts: Ints, rows: Ids, table: Floats, hashes: Ids, longest: int, row_of: Ids, grams: Floats,
    out: Floats,
) -> None:  # fmt: skip
    """The mean of each text's rows, into `out` [texts, D]."""
    for text in range(begins.size):
        _read(ids, begins[text], ends[text], starts, rows, table, hashes, longest, row_of, grams, out[text])


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def learn(
    ids: Ids, begins: Ints, ends: Ints, labels: Ints, order: Ints, starts: Ints, rows: Ids, table: Floats, hashes: Ids, longest: int,
    row_of: Ids, grams: Floats, out: Floats, rate: float, totals: Doubles,
) -> None:  # fmt: skip
    """One step of softmax regression on each of the texts `order`, with the rows that it is the mean of; all tables change in place.

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
        out: float32 [K, D].
        rate: Learning rate.
        totals: float64 [4], added to: loss, texts, right ones, words.
    """
    dim, classes, bucket = table.shape[1], out.shape[0], uint64(max(row_of.size, 1))
    mean, gradient, score = np.empty(dim, np.float32), np.empty(dim, np.float32), np.empty(classes, np.float64)
    for text in order:
        begin, end = begins[text], ends[text]
        totals[3] += end - begin
        count = _read(ids, begin, end, starts, rows, table, hashes, longest, row_of, grams, mean)
        if count == 0:
            continue
        best = 0
        for k in range(classes):
            dot = _ZERO
            for n in range(dim):
                dot += out[k, n] * mean[n]
            score[k] = dot
            if score[k] > score[best]:
                best = k
        label = labels[text]
        most, total = score[best], 0.0
        totals[0] += most - score[label]
        for k in range(classes):
            score[k] = math.exp(score[k] - most)
            total += score[k]
        totals[0] += math.log(total)
        totals[1] += 1
        totals[2] += best == label
        for n in range(dim):
            gradient[n] = _ZERO
        for k in range(classes):
            g = np.float32(rate * ((1.0 if k == label else 0.0) - score[k] / total))
            for n in range(dim):
                old = out[k, n]
                gradient[n] += g * old
                out[k, n] = old + g * mean[n]
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
