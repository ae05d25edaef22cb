"""Windows that begin elsewhere in each epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selftaught.data.image.toy import source as images
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.views.stream import Stream, StreamViews

TEXT = Corpus.of(["a b c\nd e", "f g h i"])
INDEX = {word: i for i, word in enumerate("abcdefgh")}  # i is another word
SYMBOLS = [10, 0, 1, 2, 9, 3, 4, 9, 10, 5, 6, 7, 8, 9]


def test_a_window_is_cut_where_the_seed_says() -> None:
    views = StreamViews(INDEX, 3)
    bound = views.bind(TEXT)
    assert isinstance(bound, Stream) and len(bound) == 5 and bound.samples == "windows"
    index, around = np.arange(5), SYMBOLS * 2
    seen = set()
    for epoch in range(20):
        params = views.sample(index, epoch, 0)
        batch = views.apply(bound.fetch(index), params, torch.device("cpu"))
        for i, shift in enumerate(params["shift"].tolist()):
            assert 0 <= shift < 3
            seen.add(3 * i + shift)
            assert batch["tokens"][i].tolist() == around[3 * i + shift : 3 * i + shift + 4]
    assert seen == set(range(15))  # every place begins a window in some epoch


def test_a_source_without_words_is_refused() -> None:
    with pytest.raises(UserError, match="a language model needs text"):
        StreamViews(INDEX, 3).bind(images(4))
