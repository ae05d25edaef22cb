"""Counting of word co-occurrences, weighted by distance.

Counts are integers, so that the order of counting does not change the result.

First, a chunk of text is inverted: the positions of every word are collected. Then the neighbours of one word at all
its positions are added up in one row that stays in the cache, and the row is read in order through a bitmap of touched
elements. Nothing is hashed or sorted, and no branch depends on the words.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

from selftaught.kernels.words import Floats, Ids, Ints, following, mix

Bits = NDArray[np.uint64]

GAP = -1  # separates sentences: no pair crosses it

_ONE = np.uint64(1)
# its product with a power of two has the number of that power in the upper six bits
_DEBRUIJN = np.uint64(0x03F79D71B4CB0A89)
_TOP, _32 = np.uint64(58), np.uint64(32)
_PLACE = np.empty(64, np.int64)
for _i in range(64):
    _PLACE[((1 << _i) * int(_DEBRUIJN) & (1 << 64) - 1) >> 58] = _i


@njit(cache=True, nogil=True)
def gather(
    ids: Ids, sentences: Ints, size: int, token: int, sentence: int, begin: int, out: Ids
) -> tuple[int, int, int]:
    """Copy words below `size` to out[begin:], with a GAP after every sentence, until `out` is full.

    Copying starts at `token` in `sentence`. Other words are removed, so that their neighbours become adjacent. Returns
    (end in out, next token, its sentence).
    """
    n = begin
    while sentence < sentences.size - 1:
        end = sentences[sentence + 1]
        while token < end:
            if n == out.size:
                return n, token, sentence
            if ids[token] < size:
                out[n] = ids[token]
                n += 1
            token += 1
        if n == out.size:
            return n, token, sentence
        if n > 0 and out[n - 1] != GAP:
            out[n] = GAP
            n += 1
        sentence += 1
    return n, token, sentence


@njit(cache=True, nogil=True)
def invert(tokens: Ids, starts: Ints, places: Ids) -> None:
    """Write the positions of every word in `tokens`, ascending.

    Those of word w are places[starts[w] : starts[w + 1]].
    """
    starts[:] = 0
    for w in tokens:
        if w >= 0:
            starts[w + 1] += 1
    for w in range(1, starts.size):
        starts[w] += starts[w - 1]
    for p in range(tokens.size):
        w = tokens[p]
        if w >= 0:
            places[starts[w]] = p
            starts[w] += 1
    for w in range(starts.size - 1, 0, -1):
        starts[w] = starts[w - 1]
    starts[0] = 0


@njit(cache=True, nogil=True)
def _read(touched: Ids, m: int, row: Ints, low: Bits, high: Bits, words: Ids, amounts: Ints, n: int) -> int:
    """Append the `m` touched words, ascending, with their amounts, and clear the row. Returns the new end."""
    for i in range(m):
        word = np.int64(touched[i])
        low[word >> 6] |= _ONE << uint64(word & 63)
        high[word >> 12] |= _ONE << uint64((word >> 6) & 63)
    for h in range(high.size):
        upper = high[h]
        high[h] = 0
        while upper:
            bit = upper & (~upper + _ONE)
            upper ^= bit
            middle = (h << 6) + _PLACE[(bit * _DEBRUIJN) >> _TOP]
            lower = low[middle]
            low[middle] = 0
            while lower:
                bit = lower & (~lower + _ONE)
                lower ^= bit
                word = (middle << 6) + _PLACE[(bit * _DEBRUIJN) >> _TOP]
                words[n] = word
                amounts[n] = row[word]
                n += 1
                row[word] = 0
    return n


@njit(cache=True, nogil=True)
def count(
    tokens: Ids, old: int, starts: Ints, places: Ids, begin: int, end: int, weights: Ints, symmetric: bool,
    row: Ints, touched: Ids, low: Bits, high: Bits, words: Ids, amounts: Ints, ends: Ints,
) -> int:  # fmt: skip
    """Write rows begin .. end of the table of neighbours, one after the other, to `words` and `amounts`.

    Row w ends at ends[w - begin].

    Args:
        tokens: A chunk from `gather`, int32 [N]. Its first `old` positions were in the previous chunk: only pairs that
            reach beyond them are counted.
        old: See `tokens`.
        starts: From `invert`, int64 [V + 1].
        places: From `invert`, int32 [N].
        begin: The first word whose row is computed.
        end: The word after the last one.
        weights: The weight of a neighbour at distance d, int64 [window + 1].
        symmetric: Count neighbours on both sides, and only those that are not more frequent than the word itself (the
            table is symmetric, so this half is sufficient). Otherwise count all neighbours to the left.
        row: Zeros, int64 [V]; zeros again at the end, as are `low` and `high`.
        touched: Scratch, int32 [V + 1].
        low: uint64, a bit for each word.
        high: uint64, a bit for each element of `low`.
        words: Out, int32, large enough for the worst case, as is `amounts`.
        amounts: Out, int64.
        ends: Out, int64 [end - begin].
    """
    window, n = weights.size - 1, 0
    for word in range(begin, end):
        m, least = 0, word if symmetric else 0
        for o in range(starts[word], starts[word + 1]):
            p = int(places[o])
            if p >= old:
                for q in range(p - 1, max(p - window, 0) - 1, -1):
                    other = tokens[q]
                    if other < 0:
                        break
                    wanted = other >= least
                    touched[m] = other
                    m += (row[other] == 0) & wanted
                    row[other] += weights[p - q] * wanted
            if symmetric:
                for q in range(p + 1, min(p + window + 1, tokens.size)):
                    other = tokens[q]
                    if other < 0:
                        break
                    wanted = (other >= least) & (q >= old)
                    touched[m] = other
                    m += (row[other] == 0) & wanted
                    row[other] += weights[q - p] * wanted
        n = _read(touched, m, row, low, high, words, amounts, n)
        ends[word - begin] = n
    return n


@njit(cache=True, nogil=True)
def merge(
    words: Ids,
    amounts: Ints,
    starts: Ints,
    begin: int,
    end: int,
    row: Ints,
    touched: Ids,
    low: Bits,
    high: Bits,
    merged: Ids,
    sums: Ints,
    ends: Ints,
) -> int:
    """Add up rows begin .. end of several tables.

    Row w of table r is words[starts[r, w] : starts[r, w + 1]], with its amounts. `row`, `touched`, `low`, `high`, and
    the results in `merged`, `sums` and `ends`, are as in `count`.
    """
    n = 0
    for word in range(begin, end):
        m = 0
        for r in range(starts.shape[0]):
            for o in range(starts[r, word], starts[r, word + 1]):
                other = words[o]
                touched[m] = other
                m += row[other] == 0
                row[other] += amounts[o]
        n = _read(touched, m, row, low, high, merged, sums, n)
        ends[word - begin] = n
    return n


@njit(cache=True, nogil=True)
def scramble(rows: Ids, words: Ids, out: Bits) -> None:
    """Write a number for every pair that looks random and is different for all pairs.

    SplitMix64's mixer is a bijection.
    """
    for i in range(rows.size):
        out[i] = mix(following(uint64(rows[i]) << _32 | uint64(words[i])))


@njit(cache=True, nogil=True)
def tally(mixed: Bits, shift: int, sizes: Ints) -> None:
    """Add to sizes[b] how many of `mixed` have the value b after a right shift by `shift`."""
    for bits in mixed:
        sizes[np.int64(bits >> uint64(shift))] += 1


@njit(cache=True, nogil=True)
def deal(
    rows: Ids, words: Ids, amounts: Ints, unit: float, mixed: Bits, shift: int, free: Ints,
    first: Ids, second: Ids, counts: Floats,
) -> None:  # fmt: skip
    """Write pairs to `first`, `second` and `counts` (amounts in units of `unit`), grouped by bucket.

    The bucket is as in `tally`. Each pair goes to the next free place of its bucket, and free[b] is incremented.
    """
    for i in range(rows.size):
        bucket = np.int64(mixed[i] >> uint64(shift))
        at = free[bucket]
        free[bucket] = at + 1
        first[at], second[at], counts[at] = rows[i], words[i], np.float32(amounts[i] / unit)
