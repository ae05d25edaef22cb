"""floret's hash of words and character n-grams, and the table whose rows give words their vectors.

floret (github.com/explosion/floret, MIT) is the fastText tool with all words and n-grams in one small table. The word
between marks, ``<where>``, is the first n-gram of itself; each n-gram is hashed by MurmurHash3 (x64, 128 bits; Appleby,
public domain), and each of the first 1 to 4 parts of 32 bits names a row. The vector of a word is the mean of the rows
of all its n-grams.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

SEED = 2166136261
"""The seed of the hash in floret's files."""

_C1, _C2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
_F1, _F2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_A1, _A2, _FIVE = np.uint64(0x52DCE729), np.uint64(0x38495AB5), np.uint64(5)
_LOW, _KIND, _TRAILING = np.uint64(0xFFFFFFFF), np.uint8(0xC0), np.uint8(0x80)


@njit(cache=True, nogil=True, inline="always")
def _rotated(x: np.uint64, by: int) -> np.uint64:
    return (x << np.uint64(by)) | (x >> np.uint64(64 - by))


@njit(cache=True, nogil=True, inline="always")
def _mixed(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(33))) * _F1
    x = (x ^ (x >> np.uint64(33))) * _F2
    return x ^ (x >> np.uint64(33))


@njit(cache=True, nogil=True)
def _word(text: Bytes, begin: int, count: int) -> np.uint64:
    """Return up to 8 bytes as a little-endian number."""
    x = np.uint64(0)
    for i in range(count):
        x |= np.uint64(text[begin + i]) << np.uint64(8 * i)
    return x


@njit(cache=True, nogil=True)
def murmur(text: Bytes, begin: int, end: int, seed: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the two halves of the hash of text[begin:end]."""
    a = b = np.uint64(seed)
    length = end - begin
    i = begin
    while i + 16 <= end:
        a ^= _rotated(_word(text, i, 8) * _C1, 31) * _C2
        a = (_rotated(a, 27) + b) * _FIVE + _A1
        b ^= _rotated(_word(text, i + 8, 8) * _C2, 33) * _C1
        b = (_rotated(b, 31) + a) * _FIVE + _A2
        i += 16
    rest = end - i
    if rest > 8:
        b ^= _rotated(_word(text, i + 8, rest - 8) * _C2, 33) * _C1
    if rest > 0:
        a ^= _rotated(_word(text, i, min(rest, 8)) * _C1, 31) * _C2
    a ^= np.uint64(length)
    b ^= np.uint64(length)
    a += b
    b += a
    a, b = _mixed(a), _mixed(b)
    a += b
    return a, b + a


@njit(cache=True, nogil=True)
def _hashed(text: Bytes, begin: int, end: int, count: int, bucket: int, out: Rows, place: int) -> int:
    if out.size:
        a, b = murmur(text, begin, end, uint64(SEED))
        for i in range(count):
            half = a if i < 2 else b
            part = half & _LOW if i % 2 == 0 else half >> np.uint64(32)
            out[place + i] = np.int32(part % np.uint64(bucket))
    return place + count


@njit(cache=True, nogil=True)
def _fill(text: Bytes, offsets: Ints, minn: int, maxn: int, count: int, bucket: int, starts: Ints, out: Rows) -> None:
    place = 0
    for word in range(offsets.size - 1):
        starts[word] = place
        begin, end = offsets[word], offsets[word + 1]
        place = _hashed(text, begin, end, count, bucket, out, place)
        for i in range(begin, end):
            if text[i] & _KIND == _TRAILING:
                continue
            j, n = i, 0
            while j < end and n < maxn:
                j += 1
                while j < end and text[j] & _KIND == _TRAILING:
                    j += 1
                n += 1
                if n >= minn and not (n == 1 and (i == begin or j == end)):
                    place = _hashed(text, i, j, count, bucket, out, place)
    starts[offsets.size - 1] = place


def rows(text: Bytes, offsets: Ints, minn: int, maxn: int, count: int, bucket: int) -> tuple[Ints, Rows]:
    """Return the rows of each word, repetitions kept.

    Args:
        text: The bytes of all words between marks, from `kernels.subwords.marked`.
        offsets: int64 [V + 1], where each word begins, and the end.
        minn: Smallest number of characters in an n-gram.
        maxn: Largest number, 0 for the words alone.
        count: Number of rows of an n-gram, 1 to 4.
        bucket: Number of rows of the table.

    Returns:
        starts: int64 [V + 1]: the rows of word i are ``found[starts[i] : starts[i + 1]]``.
        found: int32 [N], each in [0, bucket).
    """
    starts = np.zeros(len(offsets), np.int64)
    _fill(text, offsets, minn, maxn, count, bucket, starts, np.empty(0, np.int32))
    found = np.empty(starts[-1], np.int32)
    _fill(text, offsets, minn, maxn, count, bucket, starts, found)
    return starts, found


@njit(cache=True, nogil=True)
def sweep(table: Floats, starts: Ints, found: Rows, vectors: Floats) -> float:
    """Move the rows of each word, in turn, by the least that makes their mean its vector (Kaczmarz 1937).

    Repeated, this converges to a table that gives every word its vector, if there is one: as a rule if there are more
    rows than words. `table` [bucket, D] is updated in place.

    Returns the sum of squares of what the means lacked before their moves.
    """
    dim, lacked = table.shape[1], 0.0
    move, times = np.empty(dim, np.float32), np.zeros(table.shape[0], np.int32)
    for word in range(starts.size - 1):
        first, last = starts[word], starts[word + 1]
        size = np.float32(last - first)
        for k in range(dim):
            move[k] = 0
        for i in range(first, last):
            times[found[i]] += 1
            for k in range(dim):
                move[k] += table[found[i], k]
        norm = np.float32(0)
        for i in range(first, last):
            norm += np.float32(times[found[i]])  # each row as often as it occurs: the sum of squares
        for k in range(dim):
            move[k] = vectors[word, k] - move[k] / size
            lacked += move[k] * move[k]
            move[k] *= size / norm
        for i in range(first, last):
            times[found[i]] = 0
            for k in range(dim):
                table[found[i], k] += move[k]
    return lacked
