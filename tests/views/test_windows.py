"""Windows over a corpus against the sentences written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.parts.symbols import END, OTHER, START
from selftaught.views.windows import Windows, WindowViews

CORPUS = Corpus.of(["a b a\nb", "c a b"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=6), st.integers(1, 5))
def test_each_token_and_each_end_comes_with_what_stands_before_it(sentences: list[list[int]], length: int) -> None:
    words, ids = 6, np.array([w for s in sentences for w in s], np.int32)
    windows = Windows(ids, np.cumsum([0, *map(len, sentences)]).astype(np.int64), words, length)
    wanted = []
    for sentence in sentences:
        tokens = [words + START] * length + [min(w, words + OTHER) for w in sentence] + [words + END]
        wanted += [(tokens[i - length : i], tokens[i]) for i in range(length, len(tokens))]
    assert len(windows) == len(wanted) == len(ids) + len(sentences)
    raw = windows.fetch(np.arange(len(windows)))
    assert list(zip(raw["context"].tolist(), raw["target"].tolist(), strict=True)) == wanted
    index = np.random.default_rng(0).permutation(len(windows))
    assert np.array_equal(windows.fetch(index)["context"], raw["context"][index])
    assert np.array_equal(windows.fetch(index)["index"], index)


def test_a_corpus_is_bound_in_the_numbers_of_the_words_known() -> None:
    raw = WindowViews({"b": 0, "a": 1}, 2).bind(CORPUS).fetch(np.array([0, 1, 2, 3, 6]))
    assert raw["context"].tolist() == [[4, 4], [4, 1], [1, 0], [0, 1], [4, 4]]
    assert raw["target"].tolist() == [1, 0, 1, 3, 2]  # c, unknown, begins the third sentence


def test_views_apply_to_tensors_and_draw_nothing() -> None:
    views = WindowViews({"a": 0, "b": 1, "c": 2}, 3)
    bound, index = views.bind(CORPUS), np.array([1, 4])
    assert views.sample(index, 0, 0) == {}
    batch = views.apply(bound.fetch(index), {}, torch.device("cpu"))
    assert (
        batch["context"].shape == (2, 3) and batch["target"].dtype == torch.int64 and batch["index"].tolist() == [1, 4]
    )
    assert (bound.labels == -1).all() and len(bound.labels) == len(bound)


def test_what_has_no_words_is_refused() -> None:
    with pytest.raises(UserError, match="need text"):
        WindowViews({"a": 0}, 2).bind(object())  # type: ignore[arg-type]
