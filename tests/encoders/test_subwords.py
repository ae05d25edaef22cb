"""Vectors of words and their n-grams: which rows a word has, what unseen words get, and how texts become means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from selftaught import encoders
from selftaught.encoders.subwords import Subwords
from selftaught.errors import UserError
from selftaught.kernels.subwords import buckets
from selftaught.parts.word_vectors import WordVectors

WORDS = ["where", "here", "</s>", "x", "rare"]
INPUT = {"kind": "text", "tokens": "words", "lower": True, "words": WORDS, "counts": [9, 8, 7, 6, 1]}


def build(**arguments: Any) -> Subwords:
    torch.manual_seed(0)
    encoder = encoders.build("subwords", INPUT, **({"dim": 4} | arguments))
    assert isinstance(encoder, Subwords)
    return encoder


def mean(encoder: Subwords, rows: list[int]) -> Any:
    return encoder.table.detach()[rows].mean(0).numpy()


def test_a_words_rows_are_its_own_and_its_ngrams() -> None:
    encoder = build(minn=3, maxn=3)
    # <wh whe her ere re> are rows 4 to 8 by first sight, <he 9; "here" shares her, ere and re>; <x> is 10
    assert [rows.tolist() for rows in encoder.rows_of(WORDS)] == [
        [0, 4, 5, 6, 7, 8],
        [1, 9, 6, 7, 8],
        [2],
        [3, 10],
        [8],
    ]
    assert encoder.words == ("where", "here", "</s>", "x") and encoder.counts.tolist() == [9, 8, 7, 6]
    assert encoder.table.shape == (11, 4)


def test_the_vector_of_an_unseen_word_is_the_mean_of_its_ngrams() -> None:
    encoder = build(minn=3, maxn=3)
    np.testing.assert_allclose(encoder.vector("were"), mean(encoder, [7, 8]) / 2, rtol=1e-6)  # nobody had <we and wer
    np.testing.assert_allclose(encoder.vector("wherever"), mean(encoder, [4, 5, 6, 7]) / 2, rtol=1e-6)
    np.testing.assert_allclose(encoder.word_vectors().vector("were"), encoder.vector("were"))


def test_repeated_ngrams_count_twice() -> None:
    encoder = encoders.build("subwords", INPUT | {"words": ["ban"], "counts": [5]}, dim=2, minn=2, maxn=2)
    assert encoder.rows_of(["banan"])[0].tolist() == [1, 2, 3, 3, 4]  # <b ba an na an n>, na unknown


def test_a_word_without_any_known_part_has_zeros() -> None:
    encoder = build()
    assert encoder.vector("zzz").tolist() == [0, 0, 0, 0]
    assert encoder.unseen("zzz") is None and encoder.word_vectors().vector("zzz") is None
    assert encoder.vector("").tolist() == [0, 0, 0, 0]


def test_without_ngrams_it_is_a_table_of_words() -> None:
    encoder = build(maxn=0)
    assert encoder.table.shape == (4, 4) and encoder.rows.tolist() == [0, 1, 2, 3]
    assert encoder.vector("wherever").tolist() == [0, 0, 0, 0]
    np.testing.assert_array_equal(encoder.word_vectors().matrix, encoder.table.detach().numpy())


def test_ngrams_that_hash_alike_share_a_row() -> None:
    encoder = build(bucket=1)
    assert encoder.table.shape == (5, 4)
    assert set(encoder.rows_of(["anything"])[0].tolist()) == {4}


def test_rows_follow_the_hash() -> None:
    """Row for row: n-grams of all words hashed one by one, numbered by first sight."""
    encoder = build(min_count=1, bucket=50)
    seen: dict[int, int] = {}
    for i, word in enumerate(WORDS):
        found = buckets([word], 3, 6, 50)[1].tolist()
        rows = [5 + seen.setdefault(b, len(seen)) for b in found]
        assert encoder.rows_of([word])[0].tolist() == [i, *rows]
    assert encoder.table.shape[0] == 5 + len(seen)


def test_word_vectors_are_means() -> None:
    encoder = build()
    vectors = encoder.word_vectors()
    assert vectors.words == encoder.words and vectors.counts is not None and vectors.counts.tolist() == [9, 8, 7, 6]
    for word, row in zip(vectors.words, vectors.matrix, strict=True):
        np.testing.assert_allclose(row, encoder.vector(word), rtol=1e-5, atol=1e-7)


def test_a_text_is_the_mean_of_its_tokens_unseen_ones_included() -> None:
    encoder = build()
    texts = [["where", "wherever", "zzz"], [], ["zzz"], ["x"]]
    out = encoder(texts)
    known = (encoder.vector("where") + encoder.vector("wherever")) / 2
    np.testing.assert_allclose(
        out.detach().numpy(), [known, np.zeros(4), np.zeros(4), encoder.vector("x")], rtol=1e-5, atol=1e-7
    )
    (local,) = encoder.layers(texts)
    assert local.shape == (4, 4, 2)
    np.testing.assert_allclose(local[0, :, 1].detach(), encoder.vector("wherever"), rtol=1e-5)
    assert encoder([[]]).shape == (1, 4)
    out.sum().backward()
    assert encoder.table.grad is not None and encoder.table.grad[:4].any(1).tolist() == [True, False, False, True]


def test_the_spec_builds_it_again_and_carries_no_other_words(tmp_path: Any) -> None:
    encoder = build(minn=2, maxn=4, bucket=1000)
    assert encoder.spec["input"]["words"] == WORDS[:4]
    (tmp_path / "encoder.safetensors").write_bytes(encoders.save(encoder))
    twin = encoders.load(tmp_path / "encoder.safetensors")
    assert isinstance(twin, Subwords) and twin.spec == encoder.spec
    np.testing.assert_array_equal(twin.vector("wherever"), encoder.vector("wherever"))


@pytest.mark.parametrize("changed", [{"dim": 5}, {"min_count": 1}, {"minn": 2}, {"maxn": 4}, {"bucket": 3}])
def test_every_argument_matters(changed: dict[str, int]) -> None:
    plain, other = build(), build(**changed)
    assert plain.table.shape != other.table.shape
    assert plain.vector("wherever").tolist() != other.vector("wherever").tolist()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"minn": 0}, "1 <= minn <= maxn"), ({"minn": 5, "maxn": 4}, "not minn 5 and maxn 4"),
        ({"maxn": -1}, "maxn -1"),
        ({"bucket": 0}, "^bucket must be from 1 to"), ({"bucket": 2**31}, "not 2147483648"),
        ({"dim": 0}, "^dim must be at least 1"),
        ({"min_count": 10}, "^no word occurs 10 times"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(wrong: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build(**wrong)


def test_pictures_are_refused() -> None:
    with pytest.raises(UserError, match="encoder subwords takes text, not image"):
        encoders.build("subwords", {"kind": "image"})


def test_it_starts_small() -> None:
    table = build(dim=50).table
    assert 0.9 / 50 < float(table.detach().abs().max()) <= 1 / 50


def test_known_words_start_with_the_given_vectors_and_ngrams_keep_their_rows() -> None:
    encoder, before = build(), build()
    matrix = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    matrix.flags.writeable = False  # as a mapped file is
    assert encoder.start_from(WordVectors(("x", "dog", "where"), matrix)) == 2
    for word, row in (("x", 0), ("where", 2)):
        np.testing.assert_allclose(encoder.vector(word), matrix[row], atol=1e-5)
    assert torch.equal(encoder.table[1:3], before.table[1:3]) and torch.equal(encoder.table[4:], before.table[4:])
    assert encoder.table.requires_grad and np.array_equal(encoder.vector("wher"), before.vector("wher"))
    with pytest.raises(UserError, match="have dimension 2, but the encoder has 4: use --dim 2"):
        build().start_from(WordVectors(("x",), np.ones((1, 2), np.float32)))
    with pytest.raises(UserError, match="none of the 1 initial words is among the 4 words of the text"):
        build().start_from(WordVectors(("X",), np.ones((1, 4), np.float32)))


def test_another_encoders_words_and_ngrams_start_those_of_another_text() -> None:
    other = build(minn=3, maxn=4)
    torch.nn.init.normal_(other.table)
    words = {"kind": "text", "tokens": "words", "lower": True, "words": ["there", "where", "sea"], "counts": [9, 8, 7]}
    torch.manual_seed(1)
    encoder = Subwords(words, dim=4, minn=3, maxn=4)
    before = encoder.table.detach().clone()
    shared = [buckets([word], 3, 4, 2_000_000)[1] for word in ("there", "where", "here")]
    common = len({int(b) for b in [*shared[0], *shared[1]]} & {int(b) for b in [*shared[1], *shared[2]]})
    assert encoder.start_from_rows(other.subword_rows()) == 1 + common
    assert np.array_equal(encoder.vector("where"), other.vector("where"))
    # re> is an n-gram of both, and re a word of neither
    assert np.array_equal(encoder.vector("re"), other.vector("re"))
    assert torch.equal(encoder.table[[0, 2]], before[[0, 2]]) and encoder.table.requires_grad
    (sea,) = encoder.rows_of(["sea"])
    assert torch.equal(encoder.table[torch.from_numpy(sea).long()], before[torch.from_numpy(sea).long()])


@pytest.mark.parametrize(("name", "value"), [("dim", 3), ("minn", 2), ("maxn", 4), ("bucket", 77)])
def test_an_encoder_of_other_ngrams_starts_nothing(name: str, value: int) -> None:
    encoder = build()
    with pytest.raises(
        UserError, match=rf"the encoder to start from has {name} {value} and this one {getattr(encoder, name)}: give --"
    ):
        encoder.start_from_rows(build(**{name: value}).subword_rows())


def test_an_encoder_that_shares_nothing_starts_nothing() -> None:
    strange = Subwords({"kind": "text", "tokens": "words", "lower": True, "words": ["qqq"], "counts": [9]}, dim=4)
    with pytest.raises(UserError, match="no word and no n-gram of this text"):
        build().start_from_rows(strange.subword_rows())


def test_ngrams_without_a_row_count_as_zeros_in_an_unseen_word() -> None:
    encoder = build(minn=3, maxn=3)
    torch.nn.init.normal_(encoder.table)
    (rows,) = encoder.rows_of(["whe"])  # <wh whe he>, and the last is in no word
    assert len(rows) == 2
    expected = encoder.table[torch.from_numpy(rows).long()].sum(0).detach().numpy() / 3
    np.testing.assert_allclose(encoder.vector("whe"), expected, rtol=1e-6)
    np.testing.assert_allclose(encoder([["whe"]])[0].detach().numpy(), expected, rtol=1e-5)
