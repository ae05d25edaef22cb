from __future__ import annotations

from pathlib import Path

import pytest

from selftaught.data.text.opening import open_text
from selftaught.parts.symbols import spelt
from selftaught.parts.tokens import tokenise_as


def test_pieces_of_a_word_are_put_together_and_marks_are_not(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    text = tmp_path / "text.txt"
    text.write_text("the cat sat\na dog ran\n" * 20)
    seen = open_text(text, "all", tokens="bpe:280").input()
    pieces = tokenise_as(seen, "the catran")
    words = sorted(set(pieces))
    assert len(pieces) > 2
    ids = [words.index(piece) for piece in pieces]
    marks = [len(words) + i for i in (1, 3)]
    assert spelt(words, [*ids, marks[0], *ids, marks[1]], seen["tokens"]) == "the catran | the catran ___"
    assert spelt(["the", "cat"], [0, 1, 3]) == "the cat |"


def test_word_pieces_as_well() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = ["the", "cat", "##ran", "[UNK]"]
    model = tokenizers.models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    made = tokenizers.Tokenizer(model)
    made.decoder = tokenizers.decoders.WordPiece()
    assert spelt(words, [0, 1, 2, 5, 0], {"wordpiece": made.to_str()}) == "the catran | the"
