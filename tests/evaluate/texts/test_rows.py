"""Rows of symbols: the forms of GPT and of BERT, what is too long, and words that only characters tell."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from evaluate.texts import made

from selftaught import encoders
from selftaught.data.text.labelled.example import Texts
from selftaught.errors import UserError
from selftaught.evaluate.texts.rows import Rows, RowViews, body_of

V = len(made.WORDS)
OTHER, END, START, MASK = V, V + 1, V + 2, V + 3


def test_gpt_reads_start_text_delimiter_text_extract():
    rows = Rows(made.encoder("causal_transformer"))
    row = rows.row([1, 2], [3])
    assert row.ids == (START, 1, 2, V + 3, 3, V + 4) and row.texts == ((1, 3), (4, 5)) and row.second == 4
    assert rows.row([5]).ids == (START, 5, V + 4) and rows.row([5]).second == 3


def test_bert_reads_two_segments_that_end():
    rows = Rows(made.encoder("transformer"))
    row = rows.row([1, 2], [3])
    assert row.ids == (START, 1, 2, END, 3, END) and row.second == 4
    assert rows.size == V + 4 and Rows(made.encoder("lstm")).row([1]).ids == (START, 1, END)
    assert rows.numbers("W0 good, unheard") == [0, 20, OTHER]


def test_what_is_too_long_is_cut_at_the_longest_text_and_counted():
    rows = Rows(made.encoder("transformer", context=10))
    row = rows.row(list(range(9)), [3, 4, 5])
    assert row.ids == (START, 0, 1, 2, 3, END, 3, 4, 5, END) and rows.cut == 1
    assert rows.row([1] * 4, [2] * 3).texts == ((1, 5), (6, 9)) and rows.cut == 1
    assert len(rows.row([1] * 30).ids) == 10 and rows.cut == 2
    assert len(rows.row([], [1] * 30).ids) == 10


def test_a_batch_pads_rows_and_marks_segments():
    rows = Rows(made.encoder("transformer"))
    encode = lambda example: [rows.row(*map(rows.numbers, example.texts))]  # noqa: E731
    views = RowViews(rows, encode, lambda raw, of_each, length: torch.zeros(len(of_each)))
    raw = {"example": [Texts(("good", "bad red"), "1", "a"), Texts(("good",), "1", "b")], "index": np.arange(2)}
    batch = views.apply(raw, {}, torch.device("cpu"))
    assert batch["ids"].tolist() == [[START, 20, END, 21, 22, END], [START, 20, END, 0, 0, 0]]
    assert batch["there"].sum(1).tolist() == [6, 3] and batch["counts"].tolist() == [1, 1]
    assert batch["segment"].tolist() == [[0, 0, 0, 1, 1, 1], [0] * 6]
    assert batch["texts"].tolist() == [[[1, 2], [3, 5]], [[1, 2], [0, 0]]] and "codes" not in batch


def test_words_that_were_never_seen_are_read_by_their_characters():
    rows = Rows(made.encoder("lstm"))
    encode = lambda example: [rows.row(rows.numbers(example.texts[0]))]  # noqa: E731
    views = RowViews(rows, encode, lambda raw, of_each, length: torch.zeros(1))
    raw = {"example": [Texts((text,), "1", "") for text in ("zebra good", "giraffe zebra")], "index": np.arange(2)}
    batch = views.apply(raw, {}, torch.device("cpu"))
    a, b = batch["ids"][0, 1], batch["ids"][1, 1]
    assert a != b and batch["ids"][1, 2] == a and min(a, b) >= V + 3 and len(batch["codes"]) == 2
    assert batch["codes"][a - V - 3, 1] == ord("z")


def test_an_encoder_without_vectors_of_tokens_is_refused():
    with pytest.raises(UserError, match=r"sentence needs an encoder with a vector for each token .* not lookup"):
        body_of(encoders.build("lookup", made.INPUT, dim=4, min_count=1), "sentence")
