"""The convolution over words: its formula, padding, and what it is given."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.encoders.sentence_conv import SentenceConv
from selftaught.errors import UserError

TEXT = Corpus.of(["a b c d e a b c a b a"])
OTHERS: dict[str, Any] = {"width": 5, "dim": 7, "kernel": 5, "min_count": 2, "pool": "max"}


def build(**arguments: Any) -> SentenceConv:
    torch.manual_seed(0)
    made = encoders.build("sentence_conv", TEXT.input(), **({"width": 4, "dim": 6, "min_count": 1} | arguments))
    assert isinstance(made, SentenceConv)
    return made.eval()


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_the_formula(pool: str) -> None:
    encoder = build(pool=pool)
    words = ["a", "zebra", "c"]
    rows = torch.tensor([encoder.index["a"], len(encoder.words), encoder.index["c"]])
    v = torch.cat([torch.zeros(1, 4), encoder.token.weight[rows], torch.zeros(1, 4)])
    w, b = encoder.conv.weight, encoder.conv.bias
    z = torch.stack([(w * v[t : t + 3].T).sum((1, 2)) + b for t in range(3)]).relu()
    wanted = z.mean(0) if pool == "mean" else z.amax(0)
    torch.testing.assert_close(encoder([words, ["b"] * 7])[0], wanted)
    vectors, filtered = encoder.layers([words, ["b"] * 7])
    torch.testing.assert_close(vectors[0, :, :3], v[1:4].T)
    torch.testing.assert_close(filtered[0, :, :3], z.T)
    assert not filtered[0, :, 3:].any()


def test_texts_without_words_are_zeros() -> None:
    assert not build()([[], ["a"]])[0].any() and not build()([[]]).any()


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters_and_the_spec_builds_it_again(argument: str) -> None:
    assert [a.name for a in encoders.arguments("sentence_conv")] == list(OTHERS)
    made = build(**{argument: OTHERS[argument]})
    again = encoders.build(**made.spec)
    again.load_state_dict(made.state_dict())
    given = [["a", "d"], ["b", "e", "c"]]
    assert again.spec == made.spec and torch.equal(again.eval()(given), made(given))
    assert made(given).shape != build()(given).shape or not torch.equal(made(given), build()(given))


@pytest.mark.parametrize("arguments", [{"kernel": 2}, {"width": 0}, {"pool": "no"}])
def test_bad_values_get_a_sentence(arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="kernel odd and pool mean or max"):
        build(**arguments)
