"""Passages of a text, one a sample. Pairs of them are tested with what hides words in them: test_masked_pairs.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selftaught import encoders, views
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.views.passages import PassageViews

TEXT = Corpus.of([[[f"{d}.{line}.{w}" for w in range(5)] for line in range(6)] for d in range(12)])
WORDS = {word: row for row, word in enumerate(TEXT.words)}
OTHER, END, START = range(len(WORDS), len(WORDS) + 3)


def built(epochs: int = 6) -> dict[str, np.ndarray]:
    made = PassageViews(WORDS, 16)
    bound = made.bind(TEXT)
    index = np.arange(len(bound))
    found = [
        made.apply(bound.fetch(index), made.sample(index, epoch, 0), torch.device("cpu")) for epoch in range(epochs)
    ]
    return {key: torch.cat([batch[key] for batch in found]).numpy() for key in found[0]}


def test_a_sample_is_a_piece_of_a_document_between_marks() -> None:
    batch = built(80)
    flat = [TEXT.words[i] for i in TEXT.ids]
    place, met = {word: i for i, word in enumerate(flat)}, set()
    for ids, there in zip(batch["text"], batch["mask"], strict=True):
        n = int(there.sum())
        assert there[:n].all() and ids[0] == START and ids[n - 1] == END and not ids[n:].any()
        words = [TEXT.words[i] for i in ids[1 : n - 1]]
        assert words == flat[place[words[0]] : place[words[0]] + n - 2]
        assert len({word.split(".")[0] for word in words}) == 1
        met |= {*words}
    assert met == {*TEXT.words}
    lengths = batch["mask"].sum(1)
    assert lengths.max() == 16 and 0.02 < (lengths < 8).mean() < 0.3


def test_an_encoder_reads_them_as_texts() -> None:
    seen = {"kind": "text", "tokens": "words", "lower": True, "words": list(TEXT.words), "counts": TEXT.counts.tolist()}
    encoder = encoders.build("transformer", seen, width=16, depth=1, heads=2, context=16, min_count=1)
    made = views.crop(encoder)
    index = np.arange(4)
    batch = made.apply(made.bind(TEXT).fetch(index), made.sample(index, 0, 0), torch.device("cpu"))
    for ids, there in zip(batch["text"], batch["mask"], strict=True):
        shown = ids[there].tolist()
        assert encoder.numbers([TEXT.words[i] for i in shown[1:-1]]) == shown


def test_a_context_that_is_too_short_is_refused() -> None:
    with pytest.raises(UserError, match="a context of at least 8 symbols, not 7"):
        PassageViews(WORDS, 7)
