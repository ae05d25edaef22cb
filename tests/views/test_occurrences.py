"""Occurrences: each place holds its word, and is in its window."""

from __future__ import annotations

import numpy as np
import pytest

from selftaught.data.text.corpus import Corpus
from selftaught.views.occurrences import Occurrences
from selftaught.views.stream import Stream, StreamViews

TEXT = Corpus.of(["a b a c\n\nb a d", "a a c\nd b b a"])


@pytest.mark.parametrize("words", [["a", "b", "c", "d"], ["d", "a"]])
def test_a_place_holds_its_word(words: list[str]) -> None:
    stream = StreamViews({word: row for row, word in enumerate(words)}, 5).bind(TEXT)
    assert isinstance(stream, Stream)
    found = Occurrences(stream)
    symbols = stream.read(np.arange(stream.size))[:, 0]
    assert found.counts.tolist() == [int((symbols == row).sum()) for row in range(len(words))]
    for row in range(len(words)):
        assert found.places(row, 99).tolist() == np.flatnonzero(symbols == row).tolist()
        some = found.places(row, 2)
        assert some.tolist() == np.flatnonzero(symbols == row)[[0, -1]].tolist()
        windows, at = found.windows(found.places(row, 99), 5)
        assert windows.shape == (found.counts[row], 5) and (windows[np.arange(len(at)), at] == row).all()


def test_the_middle_of_a_window_is_the_place_except_near_the_ends() -> None:
    stream = StreamViews({"a": 0, "b": 1, "c": 2, "d": 3}, 5).bind(TEXT)
    assert isinstance(stream, Stream)
    windows, at = Occurrences(stream).windows(np.array([0, 8, stream.size - 1]), 5)
    assert at.tolist() == [0, 2, 4]
    whole = stream.read(np.array([0]))[0]
    assert windows[0].tolist() == whole[:5].tolist()


def test_places_beyond_the_end_are_of_the_beginning() -> None:
    stream = StreamViews({"a": 0, "b": 1, "c": 2, "d": 3}, 5).bind(TEXT)
    assert isinstance(stream, Stream)
    far = np.array([2, 5 + 10**6 * stream.size])
    assert stream.read(far).tolist() == stream.read(np.array([2, 5])).tolist()
