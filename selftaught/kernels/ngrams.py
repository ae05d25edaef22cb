"""Counting of n-grams of integers, and the probabilities that follow from the counts.

Tokens are numbered 0 .. V-1 for the words, V for every other word, V+1 for the end of a sentence, which is predicted
like a word, and V+2 for its start, which is not predicted: the `BASE` = V + 3 unigrams. Longer n-grams are pairs
(history, word), where the history is the number of the n-gram that is one word shorter.

While counting, one open-addressing hash table contains the pairs of all orders: 16 bytes per slot, 35 to 70% full, plus
4 to 8 bytes, so 27 to 54 bytes per distinct n-gram. While the table doubles, the old one is also in memory. Memory does
not grow with the length of the text. Afterwards the n-grams form a trie in breadth-first order: those of one length
after those of the length below, sorted by history, then by word. The children of an n-gram begin where those of the
previous n-gram end, so that a longest n-gram takes 8 bytes, and any other 12.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

from selftaught.errors import UserError

Longs = NDArray[np.int64]
Ints = NDArray[np.int32]
Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]

OTHER, END, START, BASE = range(4)
"""Added to V: the numbers of the tokens that are not words, and the number of unigrams."""
MOST = 2**31 - 64
"""Largest number of distinct n-grams, limited by int32."""

USUAL = 0.75
"""The discount if there is too little text to estimate it."""

_A, _B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)
_LOW = (1 << 32) - 1
_FULL = 0.7


class Trie(NamedTuple):
    """N-grams in breadth-first order; node g >= `base` is entry g - `base` of `word` and `times`."""

    base: int
    """Number of unigrams: nodes 0 .. base - 1."""
    begin: Ints
    """int32 [H + 1]: the children of node g are the nodes begin[g] .. begin[g + 1] - 1. H = nodes shorter than the
    longest n-grams."""
    word: Ints
    """int32 [E]: the last token of each n-gram of two tokens or more."""
    times: Ints
    """int32 [E]: the count of each n-gram."""


class Weights(NamedTuple):
    """Smoothing weights: P(w|h) = (c(hw) - discount) * scale(h) + rest(h) * P(w|shorter h)."""

    unigram: Reals
    """float64 [base - 1]: P(w) if no longer history is known."""
    scale: Reals
    """float64 [H]: 1 over the (smoothed) sum of the counts after a history; 0 if it has no children."""
    rest: Reals
    """float64 [H]: the probability mass that a history leaves to shorter ones."""
    discount: Reals
    """float64 [order + 1, 4]: subtracted from counts of 1, 2, and 3 or more (column 0 is 0), by length of n-gram."""
    longest: bool
    """Use only the longest history, and distribute the remaining mass uniformly (add-k)."""


@njit(cache=True, nogil=True)
def table(slots: int) -> Longs:
    """Return an empty table with `slots` slots, a power of two: int64 [slots, 2].

    A slot is a key, and number << 32 | count (0 = free).
    """
    return np.zeros((slots, 2), np.int64)


@njit(cache=True, nogil=True)
def _slot(slots: Longs, shift: int, key: int) -> int:
    """Return the slot of `key`, or the free slot where it belongs."""
    x = uint64(key) * _A
    x = (x ^ (x >> _HALF)) * _B
    at: int = np.int64(x >> uint64(shift))  # type: ignore[assignment]  # int() keeps it unsigned
    mask = slots.shape[0] - 1
    while slots[at, 1] != 0 and slots[at, 0] != key:
        at = (at + 1) & mask
    return at


@njit(cache=True, nogil=True)
def _shift(slots: Longs) -> int:
    bits = 0
    while (1 << bits) < slots.shape[0]:
        bits += 1
    return 64 - bits


@njit(cache=True, nogil=True)
def _doubled(slots: Longs) -> Longs:
    bigger: Longs = table(2 * slots.shape[0])
    shift = _shift(bigger)
    for i in range(slots.shape[0]):
        if slots[i, 1] != 0:
            at = _slot(bigger, shift, slots[i, 0])
            bigger[at, 0], bigger[at, 1] = slots[i, 0], slots[i, 1]
    return bigger


@njit(cache=True, nogil=True)
def _resume(
    ids: Ints, at: int, depth: int, words: int, slots: Longs, shift: int, seen: Longs, nodes: Longs, before: Reals
) -> None:
    """Find the histories of 1 to `depth` tokens before position `at`, and how often each occurred before the last time.

    All of them were counted.
    """
    for k in range(1, depth + 1):
        node = np.int64(min(int(ids[at - k]), words + OTHER))
        times = seen[node]
        for i in range(at - k + 1, at):
            value = slots[_slot(slots, shift, (node << 32) | min(int(ids[i]), words + OTHER)), 1]
            node, times = value >> 32, value & _LOW
        nodes[k], before[k] = node, times - 1


@njit(cache=True, nogil=True)
def count(
    ids: Ints,
    pieces: Longs,
    begins: Flags,
    ends: Flags,
    order: int,
    words: int,
    strength: float,
    slots: Longs,
    left: Ints,
    seen: Longs,
    used: int,
) -> tuple[Longs, Ints, int, float, int, int]:
    """Add the n-grams of 1 to `order` tokens of some sentences, or pieces of long ones, to the counts.

    Each sentence is START, its tokens, END. N-grams that begin with START are as long as there are tokens. A sentence
    in pieces is counted as it is in one.

    Args:
        ids: int32 [N]. Numbers of `words` or more are other words.
        pieces: int64 [P + 1], where each piece begins in `ids`, and the end.
        begins: bool [P], whether a sentence begins with the piece. Otherwise at least `order` - 1 tokens of the
            sentence are before it in `ids`, and were counted before.
        ends: bool [P], whether the sentence ends with it.
        order: Length of the longest n-grams, at least 2.
        words: V.
        strength: Strength of the running prediction: P(w|h) = (c(hw) + strength P(w|shorter h)) / (c(h) + strength),
            MacKay and Peto 1995.
        slots: From `table`, or from the previous call.
        left: int32 [>= `used`]: number of different tokens before each n-gram shorter than `order`.
        seen: int64 [V + 3], the count of each token; updated in place.
        used: Number of n-grams with a number: V + 3 at first.

    Returns the updated slots, left and used; the sum of -log P of each token, predicted from everything counted before
    it; the number of tokens (including ends of sentences); and the number of new n-grams of `order` tokens. Stops
    early, with a negative `used`, when there are more than `MOST` n-grams.
    """
    nodes, deeper = np.empty(order + 1, np.int64), np.empty(order + 1, np.int64)
    before, after = np.empty(order + 1, np.float64), np.empty(order + 1, np.float64)  # count of each history
    shift = _shift(slots)
    total = 0
    for w in range(words + 2):
        total += seen[w]
    loss, tokens, fresh = 0.0, 0, 0
    for s in range(begins.size):
        if begins[s]:
            depth = 1
            nodes[1], before[1] = words + START, seen[words + START]
            seen[words + START] += 1
        else:
            depth = order - 1
            _resume(ids, pieces[s], depth, words, slots, shift, seen, nodes, before)
        for i in range(pieces[s], pieces[s + 1] + ends[s]):
            w = words + END if i == pieces[s + 1] else min(int(ids[i]), words + OTHER)
            p = (seen[w] + 1.0) / (total + words + 2.0)
            deeper[1], after[1] = w, seen[w]
            seen[w] += 1
            total += 1
            for k in range(1, depth + 1):
                key = (nodes[k] << 32) | w
                at = _slot(slots, shift, key)
                value = slots[at, 1]
                c = value & _LOW
                if value == 0:
                    if used >= MOST:
                        return slots, left, -1, loss, tokens, fresh
                    slots[at, 0], slots[at, 1] = key, (used << 32) | 1
                    deeper[k + 1] = used
                    left[used] = 0
                    left[deeper[k]] += 1
                    used += 1
                    fresh += k == order - 1
                else:
                    if c < 0x7FFFFFFF:
                        slots[at, 1] = value + 1
                    deeper[k + 1] = value >> 32
                after[k + 1] = c
                p = (c + strength * p) / (before[k] + strength)
            depth = min(depth + 1, order - 1)
            nodes, deeper = deeper, nodes
            before, after = after, before
            loss -= np.log(p)
            tokens += 1
            if used - words - BASE > _FULL * slots.shape[0] - order:
                slots = _doubled(slots)
                shift = _shift(slots)
            if used + order > left.shape[0]:
                longer = np.empty(2 * left.shape[0] + order, np.int32)
                longer[:used] = left[:used]
                left = longer
    return slots, left, used, loss, tokens, fresh


@njit(cache=True, nogil=True)
def _unpacked(slots: Longs, base: int, used: int) -> tuple[Ints, Ints, Ints, NDArray[np.uint8]]:
    """Return history, last token, count and length of each n-gram, in order of first occurrence."""
    history, word, times = (
        np.empty(used - base, np.int32),
        np.empty(used - base, np.int32),
        np.empty(used - base, np.int32),
    )
    for i in range(slots.shape[0]):
        if slots[i, 1] != 0:
            e = (slots[i, 1] >> 32) - base
            history[e], word[e], times[e] = slots[i, 0] >> 32, slots[i, 0] & _LOW, slots[i, 1] & _LOW
    length = np.empty(used - base, np.uint8)
    for e in range(used - base):  # a history is added before its continuations
        h = history[e] - base
        length[e] = 2 if h < 0 else length[h] + 1
    return history, word, times, length


@njit(cache=True, nogil=True)
def _sorted(keys: Ints, buckets: int) -> Longs:
    """Return the stable order that sorts `keys`, all in [0, buckets), by counting sort."""
    start = np.zeros(buckets + 1, np.int64)
    for key in keys:
        start[key + 1] += 1
    for b in range(buckets):
        start[b + 1] += start[b]
    order = np.empty(keys.size, np.int64)
    for i in range(keys.size):
        order[start[keys[i]]] = i
        start[keys[i]] += 1
    return order


def arranged(
    slots: Longs, left: Ints, seen: Longs, used: int, order: int, kinds: bool
) -> tuple[Longs, Ints, Ints, Ints]:
    """Return the trie of the n-grams counted by `count`. It does not depend on the order of counting.

    Args:
        slots, left, seen, used, order: As left by `count`.
        kinds: For n-grams shorter than `order`, replace counts by the number of different preceding tokens (Kneser and
            Ney). N-grams that begin with START, which has no preceding token, keep their counts.

    Returns the counts of the unigrams, int64 [V + 3], and begin, word and times of a `Trie`.
    """
    base = len(seen)
    history, word, times, length = _unpacked(slots, base, used)
    if kinds:
        times = np.where(left[base:used] > 0, left[base:used], times)
    place = np.empty(used, np.int32)  # number in the trie
    place[:base] = np.arange(base, dtype=np.int32)
    below, first = 0, base  # where the n-grams of the previous length and of this length begin
    entries = np.empty(used - base, np.int64)
    for k in range(2, order + 1):
        members = np.flatnonzero(length == k)
        by_word = members[_sorted(word[members], base)]
        members = by_word[_sorted(place[history[by_word]] - np.int32(below), first - below)]
        entries[first - base : first - base + len(members)] = members
        place[base + members] = np.arange(first, first + len(members), dtype=np.int32)
        below, first = first, first + len(members)
    parents = place[history[entries]]
    begin = np.empty(below + 1, np.int32)
    begin[0], begin[1:] = base, base + np.cumsum(np.bincount(parents, minlength=below))
    unigrams = np.where(left[:base] > 0, left[:base], 0).astype(np.int64) if kinds else seen.copy()
    return unigrams, begin, word[entries], times[entries]


def discounts(begin: Ints, times: Ints, unigrams: Longs, order: int, three: bool, usual: float) -> Reals:
    """Return the discounts of Kneser and Ney for counts of 1, of 2, and of 3 or more.

    Float64 [order + 1, 4]: the row is the length of the n-gram, column 0 is 0. With n_i n-grams of a length counted i
    times and Y = n1 / (n1 + 2 n2), the discount is Y for all counts (Ney, Essen and Kneser 1994) or, if `three`, 1 - 2
    Y n2 / n1, 2 - 3 Y n3 / n2 and 3 - 4 Y n4 / n3 (Chen and Goodman 1999). `usual` is used if they cannot be computed
    or are not positive.
    """
    found = np.zeros((order + 1, 4))
    found[1:, 1:] = usual
    base = len(unigrams)
    first, last = base, int(begin[base])  # the n-grams of two tokens
    for length in range(1, order + 1):
        of = unigrams[:-1] if length == 1 else times[first - base : last - base]
        if length > 1:
            first, last = last, int(begin[last]) if last < len(begin) else last
        _, *n = np.bincount(np.minimum(of, 5), minlength=6)[:5].tolist()
        y = n[0] / (n[0] + 2 * n[1]) if n[0] and n[1] else 0.0
        for c in (1, 2, 3):
            d = (c - (c + 1) * y * n[c] / n[c - 1] if n[c - 1] else 0.0) if three else y
            if y and d > 0:
                found[length, c] = d
    return found


def weights(
    trie: Trie, unigrams: Longs, discount: Reals, types: float = 0.0, added: float = 0.0, longest: bool = False
) -> Weights:
    """Return the smoothing weights from the counts of a trie and of its unigrams, int64 [V + 3].

    `discount`, `types`, `added`: see `shares`.
    """
    u = unigrams[:-1]  # START is never predicted
    kinds, taken = types * np.count_nonzero(u), discount[1][np.minimum(u, 3)]
    left = taken.sum() + kinds + added
    scale, rest = shares(trie.base, trie.begin, trie.times, discount, types, added)
    return Weights((u - taken + left / len(u)) / (u.sum() + kinds + added), scale, rest, discount, longest)


def smoothed(trie: Trie, unigrams: Longs, order: int, smoothing: str, discount: float, k: float) -> Weights:
    """Return the weights of "kneser-ney", "modified-kneser-ney", "witten-bell" or, for any other name, add-k.

    A discount of 0 is estimated (for "kneser-ney").
    """
    taken = np.zeros((order + 1, 4))
    if smoothing == "kneser-ney" and discount:
        taken[1:, 1:] = discount
    elif smoothing.endswith("kneser-ney"):
        taken = discounts(trie.begin, trie.times, unigrams, order, smoothing.startswith("modified"), USUAL)
    elif smoothing == "witten-bell":
        return weights(trie, unigrams, taken, types=1.0)
    else:
        return weights(trie, unigrams, taken, added=k * (len(unigrams) - 1), longest=True)
    return weights(trie, unigrams, taken)


@njit(cache=True, nogil=True)
def shares(base: int, begin: Ints, times: Ints, discount: Reals, types: float, added: float) -> tuple[Reals, Reals]:
    """Return `Weights.scale` and `Weights.rest`, float64 [H].

    The counts after a history are divided by total + types * kinds + added. `discount` is float64 [order + 1, 4].
    Witten-Bell has types 1 and add-k has added k times the number of outcomes, both without discounts. Kneser-Ney has
    only discounts.
    """
    n = begin.size - 1
    scale, rest = np.empty(n, np.float64), np.empty(n, np.float64)
    k, following = 2, base  # length of the children; the first node of that length
    for g in range(n):
        if g == following:
            k += 1
            following = begin[g]
        total, mass, kinds = 0, 0.0, 0
        for e in range(begin[g] - base, begin[g + 1] - base):
            total += times[e]
            mass += discount[k, min(times[e], 3)]
            kinds += 1
        if kinds == 0:
            scale[g], rest[g] = 0.0, 1.0
            continue
        scale[g] = 1.0 / (total + types * kinds + added)
        rest[g] = (mass + types * kinds + added) * scale[g]
    return scale, rest


@njit(cache=True, nogil=True)
def _child(trie: Trie, node: int, w: int) -> int:
    """Return the n-gram that continues `node` with `w`, or -1.

    Searches from the front first, where the frequent words are.
    """
    low, high = trie.begin[node] - trie.base, trie.begin[node + 1] - trie.base
    leap = 1
    while low + leap < high and trie.word[low + leap] <= w:
        low += leap
        leap *= 2
    high = min(high, low + leap)
    while high - low > 1:
        middle = (low + high) >> 1
        if trie.word[middle] <= w:
            low = middle
        else:
            high = middle
    return low + trie.base if low < high and trie.word[low] == w else -1


@njit(cache=True, nogil=True)
def probabilities(trie: Trie, weights: Weights) -> tuple[Reals, Ints]:
    """Return P(last token | the tokens before it) of each n-gram, float64 [base + E], and its parent, int32 [base + E].

    START has the probability 0, and unigrams the parent -1.
    """
    nodes = trie.base + trie.word.size
    found, parent = np.zeros(nodes, np.float64), np.full(nodes, -1, np.int32)
    shorter = np.zeros(nodes, np.int32)  # the n-gram without its first token; of a unigram, it is not asked for
    found[: weights.unigram.size] = weights.unigram
    length, following = 2, trie.base
    for g in range(trie.begin.size - 1):
        if g == following:
            length += 1
            following = trie.begin[g]
        for child in range(trie.begin[g], trie.begin[g + 1]):
            w = trie.word[child - trie.base]
            times = trie.times[child - trie.base]
            shorter[child] = w if g < trie.base else _child(trie, shorter[g], w)
            parent[child] = g
            p = weights.rest[g] * found[shorter[child]]
            found[child] = p + (times - weights.discount[length, min(times, 3)]) * weights.scale[g]
    return found, parent


def levels(trie: Trie, weights: Weights) -> Iterator[tuple[Ints, Reals, Reals]]:
    """Yield the n-grams by length, as a back-off model: P(w|h), else what h leaves to shorter histories times P(w|h').

    Each is (tokens int32 [N, K], P of the last token float64 [N], what it leaves as a history float64 [N]). Raises
    UserError for add-k, which does not back off.
    """
    if weights.longest:
        raise UserError("an n-gram model smoothed by add-k has no back-off weights: use another --smoothing")
    p, parent = probabilities(trie, weights)
    rest = np.concatenate([weights.rest, np.ones(len(p) - len(weights.rest))])
    first, last, tokens = 0, trie.base, np.arange(trie.base, dtype=np.int32)[:, None]
    while first < last:
        yield tokens, p[first:last], rest[first:last]
        before, (first, last) = first, (last, int(trie.begin[last]) if last < len(trie.begin) else last)
        tokens = np.hstack([tokens[parent[first:last] - before], trie.word[first - trie.base : last - trie.base, None]])


@njit(cache=True, nogil=True)
def _begun(nodes: Longs, start: int) -> int:
    nodes[:] = -1
    nodes[1] = start
    return 1


@njit(cache=True, nogil=True)
def _read(trie: Trie, weights: Weights, nodes: Longs, depth: int, w: int) -> float:
    """Return P(w | the histories `nodes` [order]), and update `nodes` to the histories that end with w.

    For k from 1 to `depth`, nodes[k] is the history of k tokens, or -1 if it is unknown.
    """
    p: float = 1.0 / weights.unigram.size if weights.longest and depth > 0 else weights.unigram[w]
    last = nodes.size - 1
    carried = w
    for k in range(1, depth + 1):
        node, child = nodes[k], -1
        nodes[k] = carried
        if node >= 0:
            child = _child(trie, node, w)
            if not weights.longest or k == depth:
                p *= weights.rest[node]
                if child >= 0:
                    times = trie.times[child - trie.base]
                    p += (times - weights.discount[k + 1, min(times, 3)]) * weights.scale[node]
        carried = child
    if depth < last:
        nodes[depth + 1] = carried
    return p


@njit(cache=True, nogil=True)
def score(trie: Trie, weights: Weights, ids: Ints, sentences: Longs, out: Reals) -> None:
    """Write log P of each token given the tokens before it in its sentence, and of each sentence's end.

    `out` is float64 [N + S], sentence by sentence; ids int32 [N], where V or more is another word; sentences int64 [S +
    1].
    """
    words, order = trie.base - BASE, weights.discount.shape[0] - 1
    nodes = np.empty(order, np.int64)
    o = 0
    for s in range(sentences.size - 1):
        depth = _begun(nodes, words + START)
        for i in range(sentences[s], sentences[s + 1] + 1):
            w = words + END if i == sentences[s + 1] else min(int(ids[i]), words + OTHER)
            out[o] = np.log(_read(trie, weights, nodes, depth, w))
            depth = min(depth + 1, order - 1)
            o += 1


@njit(cache=True, nogil=True)
def fill(trie: Trie, weights: Weights, before: Ints, after: Ints, candidates: Ints, out: Reals) -> None:
    """Write the log P of the part of ``before, candidate, after, END`` that depends on each of `candidates` [C].

    This part is the candidate and the order - 1 tokens after it. `out` is float64 [C].
    """
    words, order = trie.base - BASE, weights.discount.shape[0] - 1
    nodes, start = np.empty(order, np.int64), np.empty(order, np.int64)
    depth = _begun(start, words + START)
    for w in before:
        _read(trie, weights, start, depth, min(int(w), words + OTHER))
        depth = min(depth + 1, order - 1)
    for c in range(candidates.size):
        nodes[:] = start
        d = depth
        total = np.log(_read(trie, weights, nodes, d, min(int(candidates[c]), words + OTHER)))
        for j in range(min(after.size + 1, order - 1)):
            d = min(d + 1, order - 1)
            w = words + END if j == after.size else min(int(after[j]), words + OTHER)
            total += np.log(_read(trie, weights, nodes, d, w))
        out[c] = total


@njit(cache=True, nogil=True)
def follow(trie: Trie, weights: Weights, history: Ints, started: bool, out: Reals) -> None:
    """Write P(w | history) of every outcome, the V words, other words and the end, to `out` float64 [V + 2].

    history is int32 [T] of any length, of which the last order - 1 tokens are used. `started`: it begins a sentence.
    """
    words, order = trie.base - BASE, weights.discount.shape[0] - 1
    nodes = np.empty(order, np.int64)
    depth = _begun(nodes, words + START) if started else 0
    for w in history:
        _read(trie, weights, nodes, depth, min(int(w), words + OTHER))
        depth = min(depth + 1, order - 1)
    if weights.longest and depth > 0:
        out[:] = 1.0 / out.size
    else:
        out[:] = weights.unigram
    for k in range(max(depth, 1) if weights.longest else 1, depth + 1):
        node = nodes[k]
        if node < 0:
            continue
        out *= weights.rest[node]
        for child in range(trie.begin[node], trie.begin[node + 1]):
            times = trie.times[child - trie.base]
            out[trie.word[child - trie.base]] += (times - weights.discount[k + 1, min(times, 3)]) * weights.scale[node]
