"""The kernels that count neighbours; the table that they make together is tested in tests/data/test_cooccurrence.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.kernels import cooccurrence as kernels


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def ids(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def test_rare_words_leave_no_hole_and_sentences_a_gap() -> None:
    out = np.full(20, 99, np.int32)
    n, token, sentence = kernels.gather(ids(3, 0, 5, 1, 7, 7, 2, 0), ints(0, 4, 6, 8), 4, 0, 0, 0, out)
    assert out[:n].tolist() == [3, 0, 1, -1, 2, 0, -1] and (token, sentence) == (8, 3)


@pytest.mark.parametrize("room", range(2, 9))
def test_a_text_is_gathered_in_chunks_of_any_size(room: int) -> None:
    text, borders = ids(3, 0, 5, 1, 7, 7, 2, 0, 1), ints(0, 4, 6, 8, 9)
    parts: list[int] = []
    token = sentence = begin = 0
    out = np.empty(room, np.int32)
    while sentence < 4:
        n, token, sentence = kernels.gather(text, borders, 4, token, sentence, begin, out)
        parts += out[begin:n].tolist()
        out[0], begin = out[n - 1], 1  # as the table does: a chunk begins with the end of the one before
    assert parts == [3, 0, 1, -1, 2, 0, -1, 1, -1]


@settings(deadline=None)
@given(st.lists(st.integers(-1, 6), max_size=60))
def test_places_are_those_of_each_word(values: list[int]) -> None:
    tokens, starts, places = np.array(values, np.int32), np.empty(8, np.int64), np.empty(len(values), np.int32)
    kernels.invert(tokens, starts, places)
    for word in range(7):
        assert places[starts[word] : starts[word + 1]].tolist() == np.flatnonzero(tokens == word).tolist()


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.integers(0, 9999), st.integers(1, 5), max_size=300))
def test_rows_are_read_in_order_whatever_the_words(row: dict[int, int]) -> None:
    words, amounts = np.array(list(row), np.int32), np.array(list(row.values()), np.int64)
    size, n = 10_000, len(row)
    scratch = (np.zeros(size, np.int64), np.empty(size + 1, np.int32), np.zeros(157, np.uint64), np.zeros(3, np.uint64))
    merged, sums, ends = np.empty(size, np.int32), np.empty(size, np.int64), np.empty(1, np.int64)
    twice = np.array([[0, n], [n, 2 * n]], np.int64)
    m = kernels.merge(np.tile(words, 2), np.tile(amounts, 2), twice, 0, 1, *scratch, merged, sums, ends)
    assert m == ends[0] == n
    assert dict(zip(merged[:n].tolist(), sums[:n].tolist(), strict=True)) == {
        word: 2 * amount for word, amount in row.items()
    }
    assert merged[:n].tolist() == sorted(row)
    assert not any(part.any() for part in (scratch[0], *scratch[2:]))  # clean for the next row


def test_hashes_of_pairs_differ_and_spread() -> None:
    rows, words = (part.ravel().astype(np.int32) for part in np.meshgrid(np.arange(300), np.arange(300)))
    mixed = np.empty(rows.size, np.uint64)
    kernels.scramble(rows, words, mixed)
    assert len(np.unique(mixed)) == rows.size
    sizes = np.zeros(64, np.int64)
    kernels.tally(mixed, 58, sizes)
    assert sizes.sum() == rows.size and np.abs(sizes - rows.size / 64).max() < 6 * (rows.size / 64) ** 0.5


def test_pairs_are_dealt_to_the_free_places_of_their_buckets() -> None:
    mixed = np.array([3 << 62, 0, 3 << 62, 1 << 62], np.uint64)
    first, second, counts = np.zeros(4, np.int32), np.zeros(4, np.int32), np.zeros(4, np.float32)
    free = ints(0, 1, 2, 2)
    kernels.deal(ids(1, 1, 2, 2), ids(5, 6, 7, 8), ints(10, 20, 30, 40), 10.0, mixed, 62, free, first, second, counts)
    assert second.tolist() == [6, 8, 5, 7] and first.tolist() == [1, 2, 1, 2] and counts.tolist() == [2, 4, 1, 3]
    assert free.tolist() == [1, 2, 2, 4]
