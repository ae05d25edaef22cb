"""Which words a vocabulary and other vectors share."""

import numpy as np
import pytest

from selftaught.errors import UserError
from selftaught.parts.known_to_both import known_to_both
from selftaught.parts.word_vectors import WordVectors

VECTORS = WordVectors(("b", "x", "a"), np.zeros((3, 2), np.float32))


def test_common_words_come_in_the_order_of_the_vocabulary():
    assert known_to_both({"a": 0, "b": 1, "c": 2}, 2, VECTORS) == ([0, 1], [2, 0])


def test_vectors_of_another_length_or_of_other_words_are_refused():
    with pytest.raises(UserError, match="have dimension 2, but the encoder has 3: use --dim 2"):
        known_to_both({"a": 0}, 3, VECTORS)
    with pytest.raises(UserError, match="none of the 3 initial words is among the 1 words of the text"):
        known_to_both({"A": 0}, 2, VECTORS)
