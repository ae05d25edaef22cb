"""How a language model reads a text."""

from __future__ import annotations

import numpy as np

from selftaught.parts.reader import Reader


def test_a_text_is_split_and_numbered_as_the_model_knows_it() -> None:
    reader = Reader({"tokens": "words", "lower": True}, {"the": 0, "cat": 1, "sat": 2})
    assert reader.tokens("The dog, SAT!") == ["the", "dog", "sat"]
    assert Reader({"tokens": "characters", "lower": False}, {}).tokens("Ab c") == ["A", "b", "c"]
    assert reader.ids("sat dog the").tolist() == [2, 3, 0] and reader.ids("").dtype == np.int32
    assert reader.unknown("a cat sat on the mat") == ["a", "on", "mat"]


def test_a_sentence_is_scored_with_its_end() -> None:
    reader = Reader({"tokens": "words", "lower": True}, {"the": 0, "cat": 1})
    asked = []

    def scoring(ids, sentences):
        asked.append((ids.tolist(), sentences.tolist()))
        return np.array([-1.0, -2.0, -3.0])

    assert reader.scored("dog cat", scoring) == [("dog", -1.0), ("cat", -2.0), ("</s>", -3.0)]
    assert asked == [([2, 1], [0, 2])]
