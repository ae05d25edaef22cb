"""Character n-grams of words, and the buckets that they hash to: those of the fastText tool, byte for byte.

Bojanowski, Grave, Joulin, Mikolov, TACL 2017 (arXiv 1607.04606), section 3.2. A word is written between marks,
``<where>``, and its n-grams are the runs of minn to maxn of its UTF-8 characters, but for a mark alone. Each n-gram's
bytes are hashed by FNV-1a (32 bits), where a byte of 128 or more counts as a negative number: the tool's C++ takes
characters as signed, and vectors trained by it are only of use to who does the same.
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
"""The tool's own word for the end of a sentence, the only one that is not made of characters: it has no n-grams."""

_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_KIND, _TRAILING = np.uint8(0xC0), np.uint8(0x80)  # of a byte that goes on with a character


def marked(words: Iterable[str]) -> tuple[Bytes, Ints]:
    """The bytes of all words between their marks, uint8, and where each word begins in them, with the end, int64 [V + 1].

    `END_OF_SENTENCE` has no bytes. A lone surrogate, which UTF-8 cannot write, becomes a question mark.
    """
    parts = [b"" if word == END_OF_SENTENCE else f"<{word}>".encode("utf-8", "replace") for word in words]
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([0, *map(len, parts)], dtype=np.int64)


@njit(cache=True, nogil=True)
def _ngrams(text: Bytes, begin: int, end: int, minn: int, maxn: int, bucket: np.uint32, out: Rows, place: int) -> int:
    """Writes the buckets of the word text[begin:end] from out[place] on, unless `out` is empty.

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


def buckets(words: Iterable[str], minn: int, maxn: int, bucket: int) -> tuple[Ints, Rows]:
    """The buckets of each word's n-grams in the order of the tool: by where they begin, then by length.

    Repeated ones are repeated.

    Args:
        words: V of them, without marks.
        minn: Fewest characters of an n-gram, at least 1.
        maxn: Most characters; less than `minn` for none at all.
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
    """The hash of each whole word, without marks.

    Int32 [V], negative for those of 2^31 and more, as the tool keeps them.
    """
    parts = [word.encode("utf-8", "replace") for word in words]
    found = np.empty(len(parts), np.int32)
    _hash(np.frombuffer(b"".join(parts), np.uint8), np.cumsum([0, *map(len, parts)], dtype=np.int64), found)
    return found


@njit(cache=True, nogil=True)
def first_seen(found: Rows, row: Rows) -> int:
    """Numbers the buckets that occur by first sight: row[b] becomes the number of bucket b, where it was -1.

    Words come by falling frequency, so the n-grams of frequent words get neighbouring rows, which stay in the cache;
    and those that one word alone has lie side by side.

    Returns:
        How many buckets occur.
    """
    count = 0
    for i in range(found.size):
        if row[found[i]] < 0:
            row[found[i]] = count
            count += 1
    return count
