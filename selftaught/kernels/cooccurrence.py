"""Which words stand near which, and how near.

Counted word by word, in whole numbers, so that no order of counting changes a bit.

A chunk of text is turned inside out first: the places of every word. Then the neighbours of one word at all its places
are added up in one row that stays in the cache, and the row is read out in order through a bitmap of what was touched.
Nothing is hashed or sorted, and no branch depends on what the words are.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

from selftaught.kernels.words import Floats, Ids, Ints, following, mix

Bits = NDArray[np.uint64]

GAP = -1  # between sentences: no pair reaches across it

_ONE = np.uint64(1)
# its product with a power of two has that power's number in the upper six bits
_DEBRUIJN = np.uint64(0x03F79D71B4CB0A89)
_TOP, _32 = np.uint64(58), np.uint64(32)
_PLACE = np.empty(64, np.int64)
for _i in range(64):
    _PLACE[((1 << _i) * int(_DEBRUIJN) & (1 << 64) - 1) >> 58] = _i


@njit(cache=True, nogil=True)
def gather(
    ids: Ids, sentences: Ints, size: int, token: int, sentence: int, begin: int, out: Ids
) -> tuple[int, int, int]:
    """Copy words below `size` into out[begin:], a GAP after every sentence, from `token` in `sentence` on until `out` is full.

    Other words leave no hole, so that they bring their neighbours together. Returns (end in out, next token, its
    sentence).
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
    """The places of every word in `tokens`, ascending: those of word w are places[starts[w] : starts[w + 1]]."""
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
    """Append the `m` touched words, ascending, with their amounts, and empty the row. Returns the new end."""
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
    """Rows begin .. end of the table of neighbours, one after the other in `words` and `amounts`.

    Row w ends at ends[w - begin].

    Args:
        tokens: A chunk from `gather`, int32 [N]. Its first `old` places were in the chunk before: only pairs that reach
            beyond count.
        old: As above.
        starts: From `invert`, int64 [V + 1].
        places: From `invert`, int32 [N].
        begin: The first word whose row is wanted.
        end: The word after the last one.
        weights: What a neighbour at distance d counts, int64 [window + 1].
        symmetric: Neighbours on both sides, and only those that are not more frequent than the word itself (the table
            is symmetric, so that this half tells all); else those to the left, all of them.
        row: Zeros, int64 [V]; left as zeros, as are `low` and `high`.
        touched: Scratch, int32 [V + 1].
        low: uint64, a bit for each word.
        high: uint64, a bit for each element of `low`.
        words: Out, int32, with room for the worst case, as have `amounts`.
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
    """Rows begin .. end of several tables added up.

    Row w of table r is words[starts[r, w] : starts[r, w + 1]], with its amounts.

    `row`, `touched`, `low`, `high`, and what is returned in `merged`, `sums` and `ends`, are as in `count`.
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
    """A number for every pair that looks random and differs from every other pair's.

    SplitMix64's mixer is one to one.
    """
    for i in range(rows.size):
        out[i] = mix(following(uint64(rows[i]) << _32 | uint64(words[i])))


@njit(cache=True, nogil=True)
def tally(mixed: Bits, shift: int, sizes: Ints) -> None:
    """Add to sizes[b] how many of `mixed` have b as what is left of them after `shift`."""
    for bits in mixed:
        sizes[np.int64(bits >> uint64(shift))] += 1


@njit(cache=True, nogil=True)
def deal(
    rows: Ids, words: Ids, amounts: Ints, unit: float, mixed: Bits, shift: int, free: Ints,
    first: Ids, second: Ids, counts: Floats,
) -> None:  # fmt: skip
    """Put pairs into `first`, `second` and `counts` (amounts in units of `unit`).

    Each at the next free place of its bucket.

    The bucket is as in `tally`; free[b] is moved on.
    """
    for i in range(rows.size):
        bucket = np.int64(mixed[i] >> uint64(shift))
        at = free[bucket]
        free[bucket] = at + 1
        first[at], second[at], counts[at] = rows[i], words[i], np.float32(amounts[i] / unit)
