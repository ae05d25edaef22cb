"""Character n-grams of words and their hash buckets, identical to those of the fastText tool.

Bojanowski, Grave, Joulin, Mikolov, TACL 2017 (arXiv 1607.04606), section 3.2. A word is written between marks,
``<where>``, and its n-grams are the runs of minn to maxn of its UTF-8 characters, except a mark by itself. The bytes of
an n-gram are hashed with FNV-1a (32 bits), where a byte of 128 or more is a negative number, because characters are
signed in the tool's C++. Vectors trained by the tool can only be used with the same hash.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numba import njit, uint32
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

END_OF_SENTENCE = "</s>"
"""The tool's word for the end of a sentence. It is not made of characters and has no n-grams."""

_END = END_OF_SENTENCE.encode()
_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_KIND, _TRAILING = np.uint8(0xC0), np.uint8(0x80)  # bits of a UTF-8 continuation byte


def marked(words: Iterable[str | bytes]) -> tuple[Bytes, Ints]:
    """Return the bytes of all words between marks, uint8, and where each word begins, with the end, int64 [V + 1].

    `END_OF_SENTENCE` has no bytes. A lone surrogate, which UTF-8 cannot encode, becomes a question mark. Words of a
    file are given as its bytes, which need not be UTF-8.
    """
    coded = (word if isinstance(word, bytes) else word.encode("utf-8", "replace") for word in words)
    parts = [b"" if word == _END else b"<%b>" % word for word in coded]
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([0, *map(len, parts)], dtype=np.int64)


@njit(cache=True, nogil=True)
def _ngrams(text: Bytes, begin: int, end: int, minn: int, maxn: int, bucket: np.uint32, out: Rows, place: int) -> int:
    """Write the buckets of the word text[begin:end] from out[place] on, unless `out` is empty.

    Returns the place after them.
    """
    for i in range(begin, end):
        if text[i] & _KIND == _TRAILING:
            continue
        h, j, n = _BASIS, i, 0
        while j < end and n < maxn:
            first = True
            while j < end and (first or text[j] & _KIND == _TRAILING):
                signed = uint32(np.int8(text[j]))
                h = uint32((h ^ signed) * _PRIME)
                j, first = j + 1, False
            n += 1
            if n >= minn and not (n == 1 and (i == begin or j == end)):
                if out.size:
                    out[place] = h % bucket
                place += 1
    return place


@njit(cache=True, nogil=True)
def _fill(text: Bytes, offsets: Ints, minn: int, maxn: int, bucket: np.uint32, starts: Ints, out: Rows) -> None:
    place = 0
    for word in range(offsets.size - 1):
        starts[word] = place
        place = _ngrams(text, offsets[word], offsets[word + 1], minn, maxn, bucket, out, place)
    starts[offsets.size - 1] = place


def buckets(words: Iterable[str | bytes], minn: int, maxn: int, bucket: int) -> tuple[Ints, Rows]:
    """Return the buckets of each word's n-grams in the order of the tool: by position, then by length.

    Repetitions are kept.

    Args:
        words: V words, without marks.
        minn: Smallest number of characters in an n-gram, at least 1.
        maxn: Largest number of characters. Less than `minn` for no n-grams.
        bucket: Number of buckets, 1 to 2^31 - 1.

    Returns:
        starts: int64 [V + 1]: the n-grams of word i are ``found[starts[i] : starts[i + 1]]``.
        found: int32 [N], each in [0, bucket).
    """
    text, offsets = marked(words)
    starts, nothing = np.zeros(len(offsets), np.int64), np.empty(0, np.int32)
    _fill(text, offsets, minn, maxn, np.uint32(bucket), starts, nothing)
    found = np.empty(starts[-1], np.int32)
    _fill(text, offsets, minn, maxn, np.uint32(bucket), starts, found)
    return starts, found


@njit(cache=True, nogil=True)
def _hash(text: Bytes, offsets: Ints, out: Rows) -> None:
    for word in range(offsets.size - 1):
        h = _BASIS
        for i in range(offsets[word], offsets[word + 1]):
            h = uint32((h ^ uint32(np.int8(text[i]))) * _PRIME)
        out[word] = np.int32(h)


def hashes(words: Iterable[str]) -> Rows:
    """Return the hash of each whole word, without marks, int32 [V].

    Hashes of 2^31 and more are negative, as in the tool.
    """
    parts = [word.encode("utf-8", "replace") for word in words]
    found = np.empty(len(parts), np.int32)
    _hash(np.frombuffer(b"".join(parts), np.uint8), np.cumsum([0, *map(len, parts)], dtype=np.int64), found)
    return found


@njit(cache=True, nogil=True)
def add_rows(table: NDArray[np.float32], first: int, found: Rows, starts: Ints, out: NDArray[np.float32]) -> None:
    """Add to each row i of `out` [V, D] the rows ``first + found[starts[i] : starts[i + 1]]`` of `table`."""
    for i in range(starts.size - 1):
        for j in range(starts[i], starts[i + 1]):
            row = first + found[j]
            for k in range(out.shape[1]):
                out[i, k] += table[row, k]


@njit(cache=True, nogil=True)
def first_seen(found: Rows, row: Rows) -> int:
    """Number the buckets in order of first occurrence: row[b] is set to the number of bucket b if it was -1.

    Words are sorted by descending count, so the n-grams of frequent words get adjacent rows, which stay in the cache,
    and n-grams of a single word are adjacent.

    Returns:
        The number of distinct buckets.
    """
    count = 0
    for i in range(found.size):
        if row[found[i]] < 0:
            row[found[i]] = count
            count += 1
    return count
