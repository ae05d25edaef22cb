"""Tokens as the numbers of a model's own words."""

from __future__ import annotations

import numpy as np

from selftaught.parts.vocabulary import numbered, renumbering

INDEX = {"the": 0, "cat": 1, "sat": 2}


def test_unknown_words_share_the_number_after_the_last() -> None:
    found = numbered(["sat", "dog", "the", "mat"], INDEX)
    assert found.tolist() == [2, 3, 0, 3] and found.dtype == np.int32
    assert numbered([], INDEX).shape == (0,)


def test_a_list_that_begins_alike_needs_no_renumbering() -> None:
    assert renumbering(["the", "cat", "sat"], INDEX) is None
    assert renumbering(["the", "cat", "sat", "dog", "mat"], INDEX) is None
    assert renumbering(["the", "cat"], INDEX) is None


def test_any_other_list_gets_a_table() -> None:
    for words in (["cat", "the"], ["dog", "the", "cat", "sat"], ["the", "dog", "cat", "sat"]):
        table = renumbering(words, INDEX)
        assert table is not None and table.tolist() == numbered(words, INDEX).tolist()
