"""word2vec's training loop: windows of a sentence, each with the gradient step of a small table of scores.

All variants are one operation on a few rows. The m inputs x_i of a window (skip-gram: the vectors of its context words;
CBOW: their mean, m = 1) are trained on the k targets t_j of its centre (negative sampling: its own output vector, label
1, and those of the negatives, label 0; hierarchical softmax: the inner nodes on its path, label 1 where the path turns
left)::

    g_ij = rate (label_j - sigmoid(x_i . t_j))        x_i += sum_j g_ij t_j        t_j += sum_i g_ij x_i

A word that occurs twice in a window is one input that counts twice. The rows of all words in reach stay in scratch
memory while the window moves over a sentence, and their changes are added to the table when they leave. For one thread
the result is the same; several threads rarely lose each other's updates. The rows of the next centre's targets are
prefetched before this centre's are processed.

The products run over rows padded to whole vectors, in tiles of 2 inputs and 6 (or 3) targets, which fit the registers.
Their width is a compile-time constant: `loop` compiles once for each number of dimensions, and numba caches the result
on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from selftaught.kernels.prefetch import prefetch
from selftaught.kernels.words import (
    Floats,
    Ids,
    Ints,
    Thresholds,
    begin,
    below,
    draw,
    following,
    kept,
    logistic_loss,
    mix,
    sigmoid,
)

LONGEST = 1000  # longest piece of a sentence in tokens, as in the original tool
SAMPLED = 64  # the loss is computed for one centre in this many: all logarithms would cost as much as training
LANES = 8
TILE = 6  # targets

_FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}
_ZERO, _ONE = np.float32(0), np.float32(1)


@njit(cache=True, nogil=True, fastmath=_FAST, forceinline=True)
def _score(x: Floats, at: Ints, m: int, t: Floats, k: int, width: int, s: Floats) -> None:
    """``s[i, j] = x[at[i]] . t[j]``."""
    for j in range(0, k, TILE):
        for i in range(0, m, 2):
            one, two = at[i], at[i + 1]
            a0 = a1 = a2 = a3 = a4 = a5 = b0 = b1 = b2 = b3 = b4 = b5 = _ZERO
            for n in range(width):
                u, v = x[one, n], x[two, n]
                t0, t1, t2, t3, t4, t5 = t[j, n], t[j + 1, n], t[j + 2, n], t[j + 3, n], t[j + 4, n], t[j + 5, n]
                a0 += u * t0
                a1 += u * t1
                a2 += u * t2
                a3 += u * t3
                a4 += u * t4
                a5 += u * t5
                b0 += v * t0
                b1 += v * t1
                b2 += v * t2
                b3 += v * t3
                b4 += v * t4
                b5 += v * t5
            s[i, j], s[i, j + 1], s[i, j + 2], s[i, j + 3], s[i, j + 4], s[i, j + 5] = a0, a1, a2, a3, a4, a5
            s[i + 1, j], s[i + 1, j + 1], s[i + 1, j + 2], s[i + 1, j + 3], s[i + 1, j + 4], s[i + 1, j + 5] = (
                b0,
                b1,
                b2,
                b3,
                b4,
                b5,
            )


@njit(cache=True, nogil=True, fastmath=_FAST, forceinline=True)
def _gather(g: Floats, x: Floats, at: Ints, m: int, k: int, width: int, out: Floats) -> None:
    """``out[j] = sum_i g[i, j] x[at[i]]``."""
    for j in range(0, k, 3):
        for i in range(0, m, 2):
            one, two = at[i], at[i + 1]
            a0, a1, a2, b0, b1, b2 = g[i, j], g[i, j + 1], g[i, j + 2], g[i + 1, j], g[i + 1, j + 1], g[i + 1, j + 2]
            if i == 0:
                for n in range(width):
                    u, v = x[one, n], x[two, n]
                    out[j, n] = a0 * u + b0 * v
                    out[j + 1, n] = a1 * u + b1 * v
                    out[j + 2, n] = a2 * u + b2 * v
            else:
                for n in range(width):
                    u, v = x[one, n], x[two, n]
                    out[j, n] += a0 * u + b0 * v
                    out[j + 1, n] += a1 * u + b1 * v
                    out[j + 2, n] += a2 * u + b2 * v


@njit(cache=True, nogil=True, fastmath=_FAST, forceinline=True)
def _spread(g: Floats, t: Floats, k: int, at: Ints, m: int, width: int, x: Floats) -> None:
    """``x[at[i]] += sum_j g[i, j] t[j]``."""
    for j in range(0, k, TILE):
        for i in range(0, m, 2):
            one, two = at[i], at[i + 1]
            a0, a1, a2, a3, a4, a5 = g[i, j], g[i, j + 1], g[i, j + 2], g[i, j + 3], g[i, j + 4], g[i, j + 5]
            b0, b1, b2, b3, b4, b5 = (
                g[i + 1, j],
                g[i + 1, j + 1],
                g[i + 1, j + 2],
                g[i + 1, j + 3],
                g[i + 1, j + 4],
                g[i + 1, j + 5],
            )
            for n in range(width):
                t0, t1, t2, t3, t4, t5 = t[j, n], t[j + 1, n], t[j + 2, n], t[j + 3, n], t[j + 4, n], t[j + 5, n]
                x[one, n] += a0 * t0 + a1 * t1 + a2 * t2 + a3 * t3 + a4 * t4 + a5 * t5
                x[two, n] += b0 * t0 + b1 * t1 + b2 * t2 + b3 * t3 + b4 * t4 + b5 * t5


@njit(cache=True, nogil=True, fastmath=_FAST, forceinline=True)
def _score_one(x: Floats, row: int, output: Floats, targets: Ints, k: int, dim: int, s: Floats) -> None:
    """``s[0, j] = x[row] . output[targets[j]]``."""
    for j in range(0, k, 3):
        a = b = c = _ZERO
        p, q, r = targets[j], targets[j + 1], targets[j + 2]
        for n in range(dim):
            u = x[row, n]
            a += u * output[p, n]
            b += u * output[q, n]
            c += u * output[r, n]
        s[0, j], s[0, j + 1], s[0, j + 2] = a, b, c


@njit(cache=True, nogil=True, fastmath=_FAST, forceinline=True)
def _move_one(g: Floats, x: Floats, row: int, error: int, output: Floats, targets: Ints, k: int, dim: int) -> None:
    """``x[error] = sum_j g[0, j] output[targets[j]]``, then ``output[targets[j]] += g[0, j] x[row]``."""
    for j in range(0, k, 3):
        a, b, c = g[0, j], g[0, j + 1], g[0, j + 2]
        p, q, r = targets[j], targets[j + 1], targets[j + 2]
        if j == 0:
            for n in range(dim):
                x[error, n] = a * output[p, n] + b * output[q, n] + c * output[r, n]
        else:
            for n in range(dim):
                x[error, n] += a * output[p, n] + b * output[q, n] + c * output[r, n]
    for j in range(k):
        a, p = g[0, j], targets[j]
        for n in range(dim):
            output[p, n] += a * x[row, n]


@njit(cache=True, nogil=True, fastmath=_FAST, forceinline=True)
def _add(x: Floats, to: int, part: np.float32, row: int, anew: bool, width: int) -> None:
    """``x[to] += part x[row]``, or ``x[to] = part x[row]`` if `anew`."""
    if anew:
        for n in range(width):
            x[to, n] = part * x[row, n]
    else:
        for n in range(width):
            x[to, n] += part * x[row, n]


@njit(cache=True, nogil=True, forceinline=True)
def _loss(s: Floats, at: Ints, times: Ints, m: int, label: Floats, k: int) -> float:
    """Return the sum of the logistic loss of scores [m, k]; input i counts times[at[i]] times."""
    total = 0.0
    for i in range(m):
        part = 0.0
        for j in range(k):
            part += logistic_loss(s[i, j], label[j] > _ZERO)
        total += part * times[at[i]]
    return total


@njit(cache=True, nogil=True, fastmath=_FAST, forceinline=True)
def _errors(
    s: Floats, at: Ints, times: Ints, m: int, label: Floats, k: int, rate: np.float32, logistic: Floats
) -> None:
    """Replace scores by ``g``, with zeros in the padding: columns from k to whole tiles, and a row after an odd m."""
    padded = -(-k // TILE) * TILE
    for i in range(m):
        scale = rate * np.float32(times[at[i]])
        for j in range(k):
            s[i, j] = scale * (label[j] - sigmoid(logistic, s[i, j]))
        for j in range(k, padded):
            s[i, j] = _ZERO
    if m & 1:
        for j in range(padded):
            s[m, j] = _ZERO


@njit(cache=True, nogil=True, forceinline=True)
def _targets(word: int, drawn: Ints, first: int, negatives: int, targets: Ints, label: Floats) -> int:
    """Write the centre, then the words drawn for it without the centre itself. Returns their number."""
    targets[0], label[0], k = word, _ONE, 1
    for j in range(first, first + negatives):
        targets[k], label[k] = drawn[j], _ZERO
        k += drawn[j] != word
    for j in range(k, k + 2):
        targets[j] = word
    return k


@njit(cache=True, nogil=True, fastmath=_FAST, forceinline=True)
def _enter(table: Floats, word: int, x: Floats, before: Floats, slot: int, dim: int) -> None:
    """Read a row of the table into scratch memory."""
    for d in range(dim):
        x[slot, d] = table[word, d]
        before[slot, d] = table[word, d]


@njit(cache=True, nogil=True, fastmath=_FAST, forceinline=True)
def _leave(table: Floats, word: int, x: Floats, before: Floats, slot: int, dim: int) -> None:
    """Add the change of a row to the table."""
    for d in range(dim):
        table[word, d] += x[slot, d] - before[slot, d]


@cache
def loop(dim: int) -> Callable[..., tuple[float, int]]:
    """Return the compiled loop for vectors of `dim` numbers: `train` below."""
    width = -(-dim // LANES) * LANES

    @njit(cache=True, nogil=True, fastmath=_FAST)
    def train(
        ids: Ids,
        borders: Ints,
        order: Ints,
        seed: int,
        epoch: int,
        rate: np.float32,
        cbow: bool,
        share: bool,
        window: int,
        negatives: int,
        pairwise: bool,
        table: Floats,
        output: Floats,
        path: Ids,
        left: NDArray[np.bool_],
        ends: Ints,
        keep: Thresholds,
        threshold: Thresholds,
        other: Ids,
        logistic: Floats,
    ) -> tuple[float, int]:
        """Train on pieces of sentences.

        Returns the sum of the computed losses, and the number of their pairs (CBOW: windows).

        Args:
            ids: The words of the text, int32 [N]; words without a row in `table` are skipped.
            borders: Where each piece of a sentence begins, and the end, int64 [P + 1].
            order: The pieces to train on, int64.
            seed: The random numbers depend only on `seed`, `epoch` and the position of a piece in the text.
            epoch: See `seed`.
            rate: The learning rate.
            cbow: Inputs are means of windows. Otherwise they are single context words.
            share: Divide the error of a mean by the number of its words, as in its gradient. Otherwise each word gets
                all of it.
            window: Largest number of context words on each side.
            negatives: Number of negatives; 0 for hierarchical softmax.
            pairwise: Draw negatives for each pair. Otherwise for each window.
            table: Input vectors, float32 [V, dim].
            output: Vectors of words [V, dim], or of inner nodes.
            path: The inner nodes on the paths of all words, int32; see `parts.huffman`.
            left: Whether each path turns left there.
            ends: Where the path of each word begins, and the end, int64 [V + 1].
            keep: See `words.keep_thresholds`, uint32 [V].
            threshold: See `parts.alias`, uint32 [V].
            other: See `parts.alias`, int32 [V].
            logistic: `words.sigmoid_table()`.
        """
        size = table.shape[0]
        slots = 2 * window + 1
        zero, mean, error = slots, slots + 1, slots + 2  # rows of x besides the words in reach
        most = negatives + 1
        for w in range(ends.size - 1):
            most = max(most, ends[w + 1] - ends[w])
        most = -(-most // TILE) * TILE
        x, before = np.zeros((slots + 3, width), np.float32), np.zeros((slots, width), np.float32)
        t, move = np.zeros((most, width), np.float32), np.zeros((most, width), np.float32)
        s, label = np.zeros((slots + 1, most), np.float32), np.zeros(most + 1, np.float32)
        targets, drawn = np.zeros(most + 2, np.int64), np.zeros(2 * window * negatives, np.int64)
        coming = np.zeros(2 * window * negatives, np.int64)
        words, place = np.zeros(LONGEST, np.int64), np.zeros(LONGEST, np.int64)
        slot_of = np.full(size, -1, np.int16)
        word_in, uses, free = np.zeros(slots, np.int64), np.zeros(slots, np.int64), np.arange(slots)
        at, times = np.zeros(slots + 1, np.int64), np.zeros(slots + 3, np.int64)
        single = np.full(2, mean)
        times[mean] = 1
        loss, pairs, centres = 0.0, 0, 0
        for turn in range(order.size):
            piece = order[turn]
            state = begin(seed, epoch, borders[piece])
            n = 0
            for token in range(borders[piece], borders[piece + 1]):
                word = ids[token]
                if word < size:
                    state = following(state)
                    words[n] = word
                    n += kept(keep, word, mix(state))
            if n < 2:
                continue
            entered = reach = next_reach = 0
            unused = slots
            for centre in range(-1, n):
                # The random numbers of this centre were drawn in the previous round, when its rows were prefetched
                reach = next_reach
                drawn, coming = coming, drawn
                if centre + 1 < n:
                    state = following(state)
                    next_reach = window - below(mix(state), window)
                    draws = negatives
                    if pairwise:
                        draws *= min(n, centre + next_reach + 2) - max(0, centre + 1 - next_reach) - 1
                    for j in range(draws):
                        state = following(state)
                        coming[j] = draw(threshold, other, mix(state))
                        prefetch(output, coming[j], dim)
                    if negatives:
                        prefetch(output, words[centre + 1], dim)
                    else:
                        for j in range(ends[words[centre + 1]], ends[words[centre + 1] + 1]):
                            prefetch(output, path[j], dim)
                    if centre + window + 2 < n:
                        prefetch(table, words[centre + window + 2], dim)
                if centre < 0:
                    continue
                while entered < min(centre + window + 1, n):
                    word = words[entered]
                    slot = np.int64(slot_of[word])
                    if slot < 0:
                        unused -= 1
                        slot = free[unused]
                        slot_of[word], word_in[slot] = slot, word
                        _enter(table, word, x, before, slot, dim)
                    uses[slot] += 1
                    place[entered] = slot
                    entered += 1
                lowest, highest = max(0, centre - reach), min(n, centre + reach + 1)
                looked_at = centres % SAMPLED == 0
                centres += 1
                word, k = words[centre], 0
                if negatives == 0:
                    for j in range(ends[word], ends[word + 1]):
                        targets[k], label[k] = path[j], _ONE if left[j] else _ZERO
                        k += 1
                    for j in range(k, k + 2):
                        targets[j] = 0
                elif not pairwise:
                    k = _targets(word, drawn, 0, negatives, targets, label)
                m, around = 0, highest - lowest - 1
                for q in range(lowest, highest):
                    if q != centre and not pairwise:
                        slot = place[q]
                        if times[slot] == 0:
                            at[m] = slot
                            m += 1
                        times[slot] += 1
                if cbow or pairwise:
                    inverse = _ONE / np.float32(around)
                    for i in range(m):
                        _add(x, mean, np.float32(times[at[i]]) * inverse, at[i], i == 0, width)
                    for i in range(around if pairwise else 1):
                        row = mean
                        if pairwise:
                            row = place[lowest + i + (lowest + i >= centre)]
                            k = _targets(word, drawn, i * negatives, negatives, targets, label)
                        _score_one(x, row, output, targets, k, dim, s)
                        if looked_at:
                            loss += _loss(s, single, times, 1, label, k)
                            pairs += 1
                        _errors(s, single, times, 1, label, k, rate, logistic)
                        _move_one(s, x, row, error, output, targets, k, dim)
                        if pairwise:
                            _add(x, row, _ONE, error, False, width)
                    for i in range(m):
                        _add(x, at[i], np.float32(times[at[i]]) * (inverse if share else _ONE), error, False, width)
                else:
                    at[m] = zero
                    for j in range(k):
                        # not in the loop: the compiler cannot know that it is constant, and would not vectorise
                        row = targets[j]
                        for d in range(dim):
                            t[j, d] = output[row, d]
                    _score(x, at, m, t, k, width, s)
                    if looked_at:
                        loss += _loss(s, at, times, m, label, k)
                        pairs += around
                    _errors(s, at, times, m, label, k, rate, logistic)
                    _gather(s, x, at, m, k, width, move)
                    _spread(s, t, k, at, m, width, x)
                    for j in range(k):
                        row = targets[j]
                        for d in range(dim):
                            output[row, d] += move[j, d]
                for i in range(m):
                    times[at[i]] = 0
                if centre >= window:
                    leaving = place[centre - window]
                    uses[leaving] -= 1
                    if uses[leaving] == 0:
                        _leave(table, word_in[leaving], x, before, leaving, dim)
                        slot_of[word_in[leaving]] = -1
                        free[unused] = leaving
                        unused += 1
            for leaving in range(slots):
                if uses[leaving] > 0:
                    _leave(table, word_in[leaving], x, before, leaving, dim)
                    slot_of[word_in[leaving]] = -1
                    uses[leaving] = 0
                free[leaving] = leaving
        return loss, pairs

    return train  # type: ignore[no-any-return]
