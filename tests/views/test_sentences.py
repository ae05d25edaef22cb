"""Sentences as samples: marks, padding, pieces, and words that the encoder does not know."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import Blobs

from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.views.sentences import SentenceViews, cut

TEXT = Corpus.of(["a b c d e f g\nb a", "c\nx a"])
INDEX = {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5, "g": 6}


@pytest.mark.parametrize("end", [True, False])
def test_each_sentence_has_its_marks_and_a_long_one_is_cut(end: bool) -> None:
    views = SentenceViews(INDEX, 5 + end, end)
    bound = views.bind(TEXT)
    rows = np.arange(len(bound))
    made = views.apply(bound.fetch(rows), views.sample(rows, 0, 0), torch.device("cpu"))
    last = [8] if end else []
    wanted = [[0, 1, 2, 3], [4, 5, 6], [1, 0], [2], [7, 0]]
    for row, there, ids in zip(made["tokens"].tolist(), made["there"].tolist(), wanted, strict=True):
        assert row[: len(ids) + 1 + end] == [9, *ids, *last]
        assert there == [k < len(ids) + 1 + end for k in range(5 + end)]
    few = views.apply(bound.fetch(np.array([3, 2])), {}, torch.device("cpu"))
    assert few["tokens"].shape == (2, 3 + end) and few["index"].tolist() == [3, 2]


def test_only_text_has_sentences() -> None:
    with pytest.raises(UserError, match="sentences are parts of text"):
        SentenceViews(INDEX, 5, True).bind(Blobs(4))


def test_pieces_keep_every_token_and_empty_sentences() -> None:
    borders, first = cut(np.array([0, 5, 5, 9]), 2)
    assert borders.tolist() == [0, 2, 4, 5, 5, 7, 9] and first.tolist() == [0, 3, 4, 6]
