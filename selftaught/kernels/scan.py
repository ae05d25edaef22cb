"""Text as it lies on disk becomes numbers in one pass over its bytes.

UTF-8 is checked and decoded, tokens are cut and folded (lower case, plain joiners), looked up in a hash table (FNV-1a,
open addressing, bytes compared), counted and written as the numbers of their first sight. How to cut is a table of
kinds, one for each code point, so that one loop serves every way to split.

The caller hands over blocks of any size and grows what is full: the kernel stops before a token that it has no room
for, or that may go on in the next block, and says where.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint8, uint64
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

SEPARATOR, LETTER, ALONE, JOINER, NEWLINE, REFUSED = range(6)
"""Kinds of code points: ends a token; goes on with it; is a token; goes on with it between two letters; ends a
sentence; is an error."""

DONE, FULL, INVALID, FORBIDDEN, LONG = range(5)
"""Why `scan` stopped: at the block's end; no room for another word; not UTF-8; a refused code point; a token of more
than LONGEST bytes."""

AT, WORDS, TOKENS, SEEN, SENTENCES, DOCUMENTS, CLOSED, BEGUN, LINES = range(9)
"""Places in `state`: position in the block; words known; ids, sentences, documents written to this call's arrays; SEEN
ids and CLOSED sentences written before; ids before the open sentence; newlines passed."""

LONGEST = 1 << 16
BORDER = 0xFF  # ends a document where the caller put it: no byte of UTF-8
NO_BORDER = -1

_BASIS = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_HIGH = np.uint64(0xFFFFFFFF00000000)
_LOW = np.uint64(0xFFFFFFFF)
_ONE, _HALF = np.uint64(1), np.uint64(32)


@njit(cache=True, nogil=True)
def _decode(text: Bytes, i: int, stop: int) -> tuple[int, int]:
    """(code point, bytes that it takes) at `i`.

    0 bytes when the text stops inside it, -1 when it is not UTF-8 (as RFC 3629 has it).
    """
    first = int(text[i])
    if first < 0x80:
        return first, 1
    if first < 0xC2 or first > 0xF4:
        return 0, -1
    more = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
    point = first & (0x3F >> more)
    for n in range(1, more + 1):
        if i + n >= stop:
            return 0, 0
        byte = int(text[i + n])
        if byte & 0xC0 != 0x80:
            return 0, -1
        if n == 1 and (
            (first == 0xE0 and byte < 0xA0)
            or (first == 0xED and byte > 0x9F)
            or (first == 0xF0 and byte < 0x90)
            or (first == 0xF4 and byte > 0x8F)
        ):
            return 0, -1  # longer than it must be, a surrogate, or beyond the last code point
        point = point << 6 | byte & 0x3F
    return point, more + 1


@njit(cache=True, nogil=True)
def _encode(point: int, arena: Bytes, at: int) -> int:
    """Write one code point as UTF-8; how many bytes it took."""
    if point < 0x80:
        arena[at] = point
        return 1
    if point < 0x800:
        arena[at] = 0xC0 | point >> 6
        arena[at + 1] = 0x80 | point & 0x3F
        return 2
    if point < 0x10000:
        arena[at] = 0xE0 | point >> 12
        arena[at + 1] = 0x80 | point >> 6 & 0x3F
        arena[at + 2] = 0x80 | point & 0x3F
        return 3
    arena[at] = 0xF0 | point >> 18
    arena[at + 1] = 0x80 | point >> 12 & 0x3F
    arena[at + 2] = 0x80 | point >> 6 & 0x3F
    arena[at + 3] = 0x80 | point & 0x3F
    return 4


@njit(cache=True, nogil=True)
def _hashed(arena: Bytes, begin: int, end: int, value: np.uint64) -> np.uint64:
    """FNV-1a, continued over bytes."""
    for k in range(begin, end):
        value = (value ^ uint64(arena[k])) * _PRIME
    return value


@njit(cache=True, nogil=True)
def _token(
    text: Bytes,
    i: int,
    stop: int,
    last: bool,
    kinds: Bytes,
    folds: NDArray[np.int32],
    arena: Bytes,
    top: int,
) -> tuple[int, int, np.uint64]:
    """Write the token that begins at `i` to the arena.

    (where it ends in the text, -1 = perhaps in the next block; its end; its hash).
    """
    value, end, most = _BASIS, top, top + LONGEST
    point, width = _decode(text, i, stop)
    if kinds[point] == ALONE:
        end += _encode(folds[point], arena, top)
        return i + width, end, _hashed(arena, top, end, value)
    while i < stop and end <= most:
        byte = text[i]
        if byte < 0x80 and kinds[byte] == LETTER:  # most of most texts
            small = uint8(folds[byte])
            arena[end] = small
            value = (value ^ uint64(small)) * _PRIME
            end += 1
            i += 1
            continue
        point, width = _decode(text, i, stop)
        if width == 0 and not last:
            return -1, end, value
        if width <= 0:
            break
        kind = kinds[point]
        if kind == JOINER:
            if i + width == stop:
                following = 0
            else:
                after, following = _decode(text, i + width, stop)
            if following == 0 and not last:
                return -1, end, value
            if following <= 0 or kinds[after] != LETTER:
                break
        elif kind != LETTER:
            break
        size = _encode(folds[point], arena, end)
        value = _hashed(arena, end, end + size, value)
        end += size
        i += width
    if i == stop and not last and end <= most:
        return -1, end, value
    return i, end, value


@njit(cache=True, nogil=True)
def _find(slots: Hashes, value: np.uint64, arena: Bytes, ends: Ints, words: int, end: int) -> int:
    """The word whose bytes are those of the candidate after the last one; -1 - its slot when there is none."""
    mask = uint64(slots.size - 1)
    place = (value ^ (value >> _HALF)) & mask
    begin = ends[words]
    while True:
        slot = slots[place]
        if slot == 0:
            return -1 - int(place)
        if slot & _HIGH == value & _HIGH:
            word = int(slot & _LOW) - 1
            old = ends[word]
            if ends[word + 1] - old == end - begin:
                same = True
                for k in range(end - begin):
                    if arena[old + k] != arena[begin + k]:
                        same = False
                        break
                if same:
                    return word
        place = (place + _ONE) & mask


@njit(cache=True, nogil=True)
def scan(
    text: Bytes,
    stop: int,
    last: bool,
    border: int,
    kinds: Bytes,
    folds: NDArray[np.int32],
    slots: Hashes,
    hashes: Hashes,
    ends: Ints,
    counts: Ints,
    arena: Bytes,
    ids: NDArray[np.int32],
    sentences: Ints,
    documents: Ints,
    state: Ints,
) -> int:
    """Encode ``text[state[AT]:stop]``; returns why it stopped.

    Call it again, with more room or with more text, to go on.

    Args:
        text: UTF-8, uint8.
        stop: Where the block ends.
        last: Whether the text ends there; else a token that touches the end is left for the next block.
        border: `BORDER` where that byte ends a document, else `NO_BORDER`.
        kinds: The kind of each code point, uint8 [0x110000].
        folds: What it is written as, int32 [0x110000].
        slots: The hash table, uint64 [a power of two]: the hash's upper half and the word's number + 1; 0 is free.
        hashes: Of each word, uint64 [room].
        ends: Where words end in the arena, int64 [room + 1], the first 0.
        counts: int64 [room].
        arena: The words' bytes, one after the other. Words find room while LONGEST + 8 bytes are left.
        ids: int32, at least as many as the block has bytes.
        sentences: int64, likewise; each sentence's end, counted over all blocks.
        documents: int64, likewise; for each document the sentences up to its end, counted over all blocks.
        state: int64 [9], see `AT`.
    """
    i, words, n, lines = state[AT], state[WORDS], state[TOKENS], state[LINES]
    ended, closed, begun = state[SENTENCES], state[DOCUMENTS], state[BEGUN]
    seen, before = state[SEEN], state[CLOSED]
    most, room = min(counts.size, slots.size // 2), arena.size - LONGEST - 8
    why = DONE
    while i < stop:
        if int(text[i]) == border:
            if seen + n > begun:
                begun = seen + n
                sentences[ended] = begun
                ended += 1
            documents[closed] = before + ended
            closed += 1
            i += 1
            continue
        point, width = _decode(text, i, stop)
        if width <= 0:
            if width < 0 or last:
                why = INVALID
            break
        kind = kinds[point]
        if kind in (LETTER, ALONE):
            if words >= most or ends[words] > room:
                why = FULL
                break
            after, end, value = _token(text, i, stop, last, kinds, folds, arena, ends[words])
            if end - ends[words] > LONGEST:
                why = LONG
                break
            if after < 0:
                break
            word = _find(slots, value, arena, ends, words, end)
            if word < 0:
                slots[-1 - word] = value & _HIGH | uint64(words + 1)
                word = words
                hashes[word] = value
                counts[word] = 0
                words += 1
                ends[words] = end
            counts[word] += 1
            ids[n] = word
            n += 1
            i = after
            continue
        if kind == REFUSED:
            why = FORBIDDEN
            break
        if kind == NEWLINE:
            lines += point == 10
            if seen + n > begun:
                begun = seen + n
                sentences[ended] = begun
                ended += 1
        i += width
    if last and why == DONE and seen + n > begun:
        begun = seen + n
        sentences[ended] = begun
        ended += 1
    state[AT], state[WORDS], state[TOKENS], state[LINES] = i, words, n, lines
    state[SENTENCES], state[DOCUMENTS], state[BEGUN] = ended, closed, begun
    return why


@njit(cache=True, nogil=True)
def rehash(hashes: Hashes, words: int, slots: Hashes) -> None:
    """Enter the first `words` words into an empty table."""
    mask = uint64(slots.size - 1)
    for word in range(words):
        value = hashes[word]
        place = (value ^ (value >> _HALF)) & mask
        while slots[place] != 0:
            place = (place + _ONE) & mask
        slots[place] = value & _HIGH | uint64(word + 1)


@njit(cache=True, nogil=True)
def gather(arena: Bytes, ends: Ints, order: Ints, out: Bytes, out_ends: Ints) -> None:
    """The words in another order: their bytes, and where each ends. `ends` as in `scan`; `out_ends` is int64 [V]."""
    at = 0
    for k in range(order.size):
        begin = ends[order[k]]
        size = ends[order[k] + 1] - begin
        for b in range(size):
            out[at + b] = arena[begin + b]
        at += size
        out_ends[k] = at


@njit(cache=True, nogil=True)
def renumber(ids: NDArray[np.int32], rank: NDArray[np.int32]) -> None:
    """Each id becomes ``rank[id]``, in place."""
    for k in range(ids.size):
        ids[k] = rank[ids[k]]


@njit(cache=True, nogil=True)
def sight(ids: NDArray[np.int32], rank: NDArray[np.int32], order: Ints, counts: Ints, words: int) -> int:
    """Number and count the words of `ids` by first sight, in place; how many there are now.

    Args:
        ids: int32.
        rank: The new number of each word, int32 [V], -1 = not seen yet.
        order: Which word has each new number, int64 [V].
        counts: How often each new number has occurred, int64 [V].
        words: How many had been seen before.
    """
    for k in range(ids.size):
        word = ids[k]
        if rank[word] < 0:
            rank[word] = words
            order[words] = word
            counts[words] = 0
            words += 1
        ids[k] = rank[word]
        counts[rank[word]] += 1
    return words


@njit(cache=True, nogil=True)
def expand(ids: NDArray[np.int32], begins: Ints, pieces: NDArray[np.int32], out: NDArray[np.int32], ends: Ints) -> None:
    """Each word becomes its pieces.

    Args:
        ids: int32 [n].
        begins: Where each word's pieces begin in `pieces`, and the end, int64 [V + 1].
        pieces: int32.
        out: int32, as long as all pieces of `ids` together.
        ends: Gets where each word's pieces end in `out`, int64 [n].
    """
    n = 0
    for k in range(ids.size):
        for p in range(begins[ids[k]], begins[ids[k] + 1]):
            out[n] = pieces[p]
            n += 1
        ends[k] = n
