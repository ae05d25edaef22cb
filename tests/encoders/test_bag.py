"""Texts as counts of words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError

TEXT = Corpus.of(["a a a b b c c d"])


def test_it_counts_each_known_word() -> None:
    bag = encoders.build("bag", TEXT.input())
    assert bag.words == ("a", "b", "c") and bag.dim == 3  # d occurs once
    assert bag([["a", "b", "a", "d", "x"], [], ["c"]]).tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert torch.equal(bag.layers([["a"]])[-1], bag([["a"]]))
    assert not list(bag.parameters())


def test_size_keeps_the_most_frequent_words_as_features_and_all_as_words() -> None:
    bag = encoders.build("bag", TEXT.input(), size=1, min_count=1)
    assert bag.dim == 1 and len(bag.words) == 4
    assert bag([["b", "a", "d"]]).tolist() == [[1]]


def test_it_is_saved_and_loaded_without_a_weight(tmp_path: Path) -> None:
    bag = encoders.build("bag", TEXT.input(), min_count=3)
    (tmp_path / "encoder.safetensors").write_bytes(encoders.save(bag))
    again = encoders.load(tmp_path / "encoder.safetensors")
    assert again.spec == bag.spec and again.words == ("a",)


@pytest.mark.parametrize(
    ("input", "arguments", "said"),
    [
        (TEXT.input(), {"size": 0}, "size of the encoder bag must be at least 1, not 0"),
        (TEXT.input(), {"min_count": 9}, "no word occurs 9 times"),
        ({"kind": "image"}, {}, "encoder bag takes text, not image"),
    ],
)
def test_bad_values_get_a_sentence(input: dict[str, object], arguments: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        encoders.build("bag", input, **arguments)
