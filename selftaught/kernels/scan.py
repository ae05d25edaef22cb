"""Convert raw text to word numbers in one pass over its bytes.

UTF-8 is validated and decoded; tokens are split (`parts/word_break` is the readable form), normalised (lower case,
plain hyphens), looked up in a hash table (FNV-1a, open addressing, bytes compared), counted and written as numbers in
order of first occurrence. A table with the kind of each code point defines how to split, so that one loop implements
every way to split.

The caller passes blocks of any size and enlarges full arrays: the kernel stops before a token for which there is no
room, or that may continue in the next block, and returns the reason.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint8, uint64
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

LETTER, DIGIT, HEBREW, KATAKANA, ALONE, LOOSE = range(6)
"""Kinds of code points that begin a token: letters, digits, Hebrew letters and Katakana go on in runs (see `_joins`);
ALONE is a token with its marks; LOOSE begins a token only if there is none that it can continue."""
MARK, INVISIBLE, NON_JOINER = range(6, 9)
"""Kinds that continue any token: a mark; what is left out; what is left out at the end of a token (U+200C)."""
UNDERSCORE, HYPHEN, APOSTROPHE, DOUBLE_QUOTE, MID_LETTER, MID_NUMBER, MID_BOTH = range(9, 16)
"""Kinds that belong to a token if they join what is before them and after them, see `_joins`."""
SEPARATOR, NEWLINE, REFUSED = range(16, 19)
"""Kinds that end a token; that end a sentence as well; that are an error."""
NOTHING = 0
"""No joining character stands between two code points."""

DONE, FULL, INVALID, FORBIDDEN, LONG = range(5)
"""Why `scan` stopped: end of the block; no room for another word; invalid UTF-8; a refused code point; a token longer
than LONGEST bytes."""

AT, WORDS, TOKENS, SEEN, SENTENCES, DOCUMENTS, CLOSED, BEGUN, LINES = range(9)
"""Indices into `state`: position in the block; known words; ids, sentences and documents written in this call; SEEN ids
and CLOSED sentences written before; ids before the open sentence; newlines passed."""

LONGEST = 1 << 16
FARTHEST = 8 * LONGEST  # bytes of text of one token, with those that are left out
BORDER = 0xFF  # inserted by the caller to end a document; never a byte of UTF-8
NO_BORDER = -1

_BASIS = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_HIGH = np.uint64(0xFFFFFFFF00000000)
_LOW = np.uint64(0xFFFFFFFF)
_ONE, _HALF = np.uint64(1), np.uint64(32)


@njit(cache=True, nogil=True)
def _decode(text: Bytes, i: int, stop: int) -> tuple[int, int]:
    """Return (code point, number of its bytes) at `i`.

    The number is 0 if the text stops inside it, -1 if it is not valid UTF-8 (RFC 3629).
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
            return 0, -1  # overlong, a surrogate, or beyond the last code point
        point = point << 6 | byte & 0x3F
    return point, more + 1


@njit(cache=True, nogil=True)
def _encode(point: int, arena: Bytes, at: int) -> int:
    """Write one code point as UTF-8. Returns the number of bytes."""
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
    """Continue an FNV-1a hash over bytes."""
    for k in range(begin, end):
        value = (value ^ uint64(arena[k])) * _PRIME
    return value


@njit(cache=True, nogil=True)
def _joins(left: int, link: int, right: int) -> bool:
    """Return whether one token goes on from a code point of the kind `left`, over `link`, to one of the kind `right`.

    The rules WB5 to WB13b of UAX #29, see `parts/word_break`.
    """
    if left == KATAKANA or right == KATAKANA:
        return right <= KATAKANA if link == UNDERSCORE else link == NOTHING and left == right
    if left > KATAKANA or right > KATAKANA:
        return False
    if link == MID_LETTER:
        return left != DIGIT and right != DIGIT
    if link == MID_NUMBER:
        return left == DIGIT and right == DIGIT
    if link == MID_BOTH:
        return (left == DIGIT) == (right == DIGIT)
    if link == DOUBLE_QUOTE:
        return left == HEBREW and right == HEBREW
    return True


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

    Returns where it ends in the text (-1 if it may continue in the next block), its end in the arena, and its hash.
    """
    begin, value, end, most = i, _BASIS, top, top + LONGEST
    left, link = LETTER, NOTHING
    at, tail = i, top  # what is read and written beyond i and end belongs to the token if more of it follows
    while at < stop and tail <= most and at - begin <= FARTHEST:
        byte = text[at]
        if byte < 0x80 and tail == end and left <= HEBREW and link == NOTHING:  # the most common case
            kind = kinds[byte]
            if kind <= DIGIT:
                small = uint8(folds[byte])
                arena[end] = small
                value = (value ^ uint64(small)) * _PRIME
                end += 1
                tail = end
                at += 1
                i = at
                left = kind
                continue
        point, width = _decode(text, at, stop)
        if width == 0 and not last:
            return -1, end, value
        if width <= 0:
            break
        kind = kinds[point]
        if kind == INVISIBLE:
            at += width
            continue
        if kind <= HEBREW and link == NOTHING and left <= HEBREW:  # the next most common, and quicker than the rest
            tail += _encode(folds[point], arena, tail)
            value = _hashed(arena, end, tail, value)
            at += width
            end, i, left = tail, at, kind
            continue
        kept = True
        if at == begin:
            left = kind
        elif kind <= ALONE:
            if not _joins(left, link, kind):
                break
            left, link = kind, NOTHING
        elif kind in (MARK, LOOSE):
            kept = link == NOTHING or (link == APOSTROPHE and left == HEBREW)
        elif kind == NON_JOINER:
            kept = False
        elif kind == UNDERSCORE:
            if left > KATAKANA or not (link in (NOTHING, UNDERSCORE) or (link == APOSTROPHE and left == HEBREW)):
                break
            kept, link = False, kind
        elif kind < SEPARATOR:
            if link != NOTHING or not _may_link(left, kind):
                break
            kept, link = kind == APOSTROPHE and left == HEBREW, kind
        else:
            break
        tail += _encode(folds[point], arena, tail)
        at += width
        if kept:
            value = _hashed(arena, end, tail, value)
            end, i = tail, at
    if tail > most or at - begin > FARTHEST:
        return i, top + LONGEST + 1, value
    if at == stop and not last:
        return -1, end, value
    return i, end, value


@njit(cache=True, nogil=True)
def _may_link(left: int, link: int) -> bool:
    """Return whether anything can follow `link`."""
    if link == MID_LETTER:
        return left in (LETTER, HEBREW)
    if link == MID_NUMBER:
        return left == DIGIT
    if link == DOUBLE_QUOTE:
        return left == HEBREW
    return left <= HEBREW


@njit(cache=True, nogil=True)
def _find(slots: Hashes, value: np.uint64, arena: Bytes, ends: Ints, words: int, end: int) -> int:
    """Return the word whose bytes are those of the candidate after the last word, or -1 - its slot if there is none."""
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
    """Encode ``text[state[AT]:stop]``. Returns why it stopped.

    Call it again, with more room or more text, to continue.

    Args:
        text: UTF-8, uint8.
        stop: Where the block ends.
        last: The text ends there. Otherwise a token that touches the end is left for the next block.
        border: `BORDER` if that byte ends a document, otherwise `NO_BORDER`.
        kinds: The kind of each code point, uint8 [0x110000].
        folds: The normalised code point of each code point, int32 [0x110000].
        slots: The hash table, uint64 [a power of two]: the hash's upper half and the word's number + 1; 0 is free.
        hashes: Hash of each word, uint64 [room].
        ends: Where words end in the arena, int64 [room + 1]; the first is 0.
        counts: Count of each word, int64 [room].
        arena: The bytes of the words, one after the other. There is room for a word while LONGEST + 8 bytes are left.
        ids: int32, at least as many as the block has bytes.
        sentences: int64, likewise; each sentence's end, counted over all blocks.
        documents: int64, likewise; the number of sentences up to the end of each document, counted over all blocks.
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
        if kind <= LOOSE:
            lines += point == 10  # a token where white space is kept
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
def enter(slots: Hashes, hashes: Hashes, ends: Ints, counts: Ints, arena: Bytes, words: int, end: int) -> int:
    """Return the number of the word whose bytes were written after the last one, up to `end` in the arena.

    It is `words` if the word is new; then it is entered with the count 0. There must be room, see `scan`.
    """
    value = _hashed(arena, ends[words], end, _BASIS)
    word = _find(slots, value, arena, ends, words, end)
    if word < 0:
        slots[-1 - word] = value & _HIGH | uint64(words + 1)
        word = words
        hashes[word], counts[word], ends[word + 1] = value, 0, end
    return int(word)


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
    """Write the words in another order: their bytes, and where each ends.

    `ends` is as in `scan`; `out_ends` is int64 [V].
    """
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
    """Replace each id by ``rank[id]``, in place."""
    for k in range(ids.size):
        ids[k] = rank[ids[k]]


@njit(cache=True, nogil=True)
def sight(ids: NDArray[np.int32], rank: NDArray[np.int32], order: Ints, counts: Ints, words: int) -> int:
    """Number and count the words of `ids` in order of first occurrence, in place. Returns the number of words so far.

    Args:
        ids: int32.
        rank: The new number of each word, int32 [V], -1 = not seen yet.
        order: The word of each new number, int64 [V].
        counts: The count of each new number, int64 [V].
        words: Number of words seen before.
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
    """Replace each word by its pieces.

    Args:
        ids: int32 [n].
        begins: Where the pieces of each word begin in `pieces`, and the end, int64 [V + 1].
        pieces: int32.
        out: Out: int32, as long as all pieces of `ids` together.
        ends: Out: where the pieces of each word end in `out`, int64 [n].
    """
    n = 0
    for k in range(ids.size):
        for p in range(begins[ids[k]], begins[ids[k] + 1]):
            out[n] = pieces[p]
            n += 1
        ends[k] = n
