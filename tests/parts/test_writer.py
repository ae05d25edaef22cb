"""What is written splits into the tokens that were drawn."""

from __future__ import annotations

from typing import Any

import pytest

from selftaught.data.text.bpe import BytePairs
from selftaught.parts.tokens import tokenise_as
from selftaught.parts.writer import Writer


def written(input: dict[str, Any], prompt: str, tokens: list[str]) -> list[str]:
    write = Writer(input, prompt)
    return [write(token) for token in tokens]


def test_words_have_spaces_between_them_but_not_at_the_beginning_of_a_line() -> None:
    for how in ("words", "whitespace"):
        assert written({"tokens": how}, "", ["a", "b", "\n", "c"]) == ["a", " b", "\n", "c"]
        assert written({"tokens": how}, "the", ["a"]) == [" a"]
        assert written({"tokens": how}, "the\n", ["a"]) == ["a"]


def test_characters_have_none() -> None:
    for how in ("characters", "exact"):
        assert written({"tokens": how}, "x", ["a", " ", "\n"]) == ["a", " ", "\n"]


@pytest.mark.parametrize("prompt", ["", "so "])
def test_byte_pairs_wait_until_a_character_is_whole(prompt: str) -> None:
    pytest.importorskip("tokenizers")
    seen = {"tokens": {"bpe": BytePairs.train(["a cat sat on a mat"] * 9, 260).model}, "lower": False}
    text = "a cat é 中 sat"
    pieces = written(seen, prompt, tokenise_as(seen, text))
    assert "".join(pieces).strip() == text and "" in pieces and "中" in "".join(pieces)
    assert all("\ufffd" not in piece for piece in pieces)
