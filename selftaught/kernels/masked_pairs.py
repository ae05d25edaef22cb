"""Build the samples of BERT: pairs of passages of a text, and the tokens that are hidden in them."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def pairs(
    ids: NDArray[np.int32],
    passages: Ints,
    documents: Ints,
    table: NDArray[np.int32],
    words: int,
    begin: int,
    end: int,
    starts: Ints,
    rooms: Ints,
    draws: Floats,
    both: bool,
    out: Ints,
    segment: Ints,
    follows: Ints,
    lengths: Ints,
) -> None:
    """Write `begin`, text A, `end`, text B, `end` to each row of `out`, as Devlin et al. 2019 build their pairs.

    The passages from `starts` on, until there is no more room or the document ends, are divided at random. A is the
    first part. B is the rest, or as many tokens from a random place of another document. What is too long is cut from
    the longer text, at random from its front and its back. With `both` False there is only A and one `end`.

    Args:
        ids: int32 [N].
        passages: Where each passage begins in `ids`, and the end, int64 [P + 1].
        documents: Where each document begins in `passages`, and the end, int64 [D + 1]; no document is empty.
        table: Maps `ids` to the numbers 0 .. words, int32; empty if min(id, words) does.
        words: V.
        begin: The number of the mark at the beginning.
        end: The number of the mark after a text.
        starts: The first passage of each row, int64 [B].
        rooms: Tokens that each row has room for, without marks, int64 [B], at least 2.
        draws: Uniform random numbers, float64 [B, 6].
        both: Whether there is a text B. There must be two documents.
        out: int64 [B, L]; what is beyond the length of a row stays as it is.
        segment: 0 in A and its marks, 1 in B and its mark, int64 [B, L].
        follows: 1 if B is what follows A, int64 [B].
        lengths: Symbols of each row, int64 [B].
    """
    for row in range(starts.size):
        first, room = starts[row], rooms[row]
        document = np.searchsorted(documents, first, side="right") - 1
        last = first + 1  # the passages first .. last - 1
        while last < documents[document + 1] and passages[last] - passages[first] < room:
            last += 1
        a_first, a_last = passages[first], passages[last]
        b_first, b_last = a_last, a_last
        if both:
            count = last - first
            middle = first + 1 + (int(draws[row, 0] * (count - 1)) if count > 1 else 0)
            a_last = passages[middle]
            follows[row] = count > 1 and draws[row, 1] < 0.5
            if follows[row]:
                b_first = a_last
            else:
                other = int(draws[row, 2] * (documents.size - 2))
                other += other >= document
                passage = documents[other] + int(draws[row, 3] * (documents[other + 1] - documents[other]))
                b_first, b_last = passages[passage], passages[passage + 1]
                while passage + 1 < documents[other + 1] and b_last - b_first < room - (a_last - a_first):
                    passage += 1
                    b_last = passages[passage + 1]
        a_size, b_size = a_last - a_first, b_last - b_first
        more = a_size + b_size - room
        if more > 0:
            from_a = min(more, max(0, a_size - b_size)) + max(0, more - abs(a_size - b_size)) // 2
            from_b = more - from_a
            front_a, front_b = int(draws[row, 4] * (from_a + 1)), int(draws[row, 5] * (from_b + 1))
            a_first, a_last = a_first + front_a, a_last - (from_a - front_a)
            b_first, b_last = b_first + front_b, b_last - (from_b - front_b)
        out[row, 0], at = begin, 1
        for k in range(a_first, a_last):
            out[row, at] = table[ids[k]] if table.size else min(ids[k], words)
            at += 1
        out[row, at] = end
        at += 1
        segment[row, :at] = 0
        segment[row, at:] = 1
        if both:
            for k in range(b_first, b_last):
                out[row, at] = table[ids[k]] if table.size else min(ids[k], words)
                at += 1
            out[row, at] = end
            at += 1
        lengths[row] = at


@njit(cache=True, nogil=True)
def hide(
    tokens: Ints,
    lengths: Ints,
    words: int,
    mask: int,
    share: float,
    replaced: float,
    kept: float,
    goes_on: Flags,
    draws: Floats,
    seen: Ints,
    hidden: Flags,
) -> None:
    """Choose tokens of each row to be predicted, and write what the network sees.

    Of the n tokens that are words, max(1, round(share n)) are chosen. Of these, a part becomes `mask`, a part stays,
    and the others become random words. A token that goes on a word is chosen with the word or not at all; words that
    would make it too many are passed over, unless all would.

    Args:
        tokens: int64 [B, L].
        lengths: Symbols of each row, int64 [B].
        words: V; greater numbers are never chosen.
        mask: The number of the symbol for a hidden token.
        share: Of the tokens that are chosen.
        replaced: Of the chosen ones, the part that becomes `mask`.
        kept: The part that stays as it is.
        goes_on: Whether each word goes on the one before it, bool [V].
        draws: Uniform random numbers, float64 [B, L, 3].
        seen: What the network sees, int64 [B, L].
        hidden: Whether it is to be predicted, bool [B, L].
    """
    for row in range(tokens.shape[0]):
        seen[row], hidden[row] = tokens[row], False
        count, heads = 0, 0
        at = np.empty(lengths[row], np.int64)
        for k in range(lengths[row]):
            if tokens[row, k] < words:
                count += 1
                if not (goes_on[tokens[row, k]] and k and tokens[row, k - 1] < words):
                    at[heads] = k
                    heads += 1
        wanted, taken = max(1, int(share * count + 0.5)), 0
        order = np.argsort(draws[row, at[:heads], 0])
        for turn in range(heads):
            first = at[order[turn]]
            last = first + 1
            while last < lengths[row] and tokens[row, last] < words and goes_on[tokens[row, last]]:
                last += 1
            if taken + last - first > wanted and (taken > 0 or turn < heads - 1):
                continue
            for k in range(first, last):
                hidden[row, k] = True
                if draws[row, k, 1] < replaced:
                    seen[row, k] = mask
                elif draws[row, k, 1] >= replaced + kept:
                    seen[row, k] = int(draws[row, k, 2] * words)
            taken += last - first
            if taken >= wanted:
                break
