"""A table of word vectors that starts from vectors of elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selftaught import encoders
from selftaught.encoders.lookup import Lookup
from selftaught.errors import UserError
from selftaught.parts.word_vectors import WordVectors

SEEN = {
    "kind": "text",
    "tokens": "words",
    "lower": True,
    "words": ["the", "cat", "sat", "rare"],
    "counts": [9, 8, 7, 1],
}


def lookup(**arguments: int) -> Lookup:
    torch.manual_seed(0)
    encoder = encoders.build("lookup", SEEN, **arguments)
    assert isinstance(encoder, Lookup)
    return encoder


def test_known_words_take_the_vectors_and_the_others_keep_theirs() -> None:
    encoder, before = lookup(dim=3), lookup(dim=3).table.detach()
    matrix = np.arange(9, dtype=np.float32).reshape(3, 3)
    matrix.flags.writeable = False  # as a mapped file is
    assert encoder.start_from(WordVectors(("cat", "dog", "the"), matrix)) == 2
    assert encoder.table[1].tolist() == [0, 1, 2]
    assert encoder.table[0].tolist() == [6, 7, 8]
    assert torch.equal(encoder.table[2], before[2])
    assert encoder.table.requires_grad


def test_vectors_that_cannot_serve() -> None:
    with pytest.raises(UserError, match="have 2 numbers and the encoder's 100: give --dim 2"):
        lookup().start_from(WordVectors(("cat",), np.ones((1, 2), np.float32)))
    with pytest.raises(UserError, match="none of the 1 words to start from is among the text's 3"):
        lookup(dim=2).start_from(WordVectors(("CAT",), np.ones((1, 2), np.float32)))
