"""The whole judgement: trained beside untrained, coverage beside both."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selftaught import encoders
from selftaught.errors import UserError
from selftaught.evaluate.words import ROWS, Tests, analogies, judge, similarity, vectors_of
from selftaught.parts.word_vectors import WordVectors

PAIRS = {
    "wordsim353": [("sun", "moon", 9.0), ("sun", "tree", 2.0), ("Moon", "tree", 1.0), ("sun", "never", 5.0)],
    "simlex999": [("sun", "tree", 1.0)],
}
QUESTIONS = {
    "capitals": [("sun", "moon", "tree", "leaf"), ("sun", "moon", "never", "leaf")],
    "gram1": [("moon", "sun", "leaf", "tree")],
}
TESTS = Tests(PAIRS, QUESTIONS)  # type: ignore[arg-type]
WORDS = ("sun", "moon", "tree", "leaf", "sea")


def some(seed: int, unseen: bool = False) -> WordVectors:
    rng = np.random.default_rng(seed)
    parts = {"never": np.ones(6, np.float32)}
    return WordVectors(WORDS, rng.normal(size=(5, 6)).astype(np.float32), unseen=parts.get if unseen else None)


def test_each_row_is_the_test_of_its_name_for_both_sides() -> None:
    sides = {"trained": some(0), "untrained": some(1)}
    found = judge(**sides, tests=TESTS)
    assert list(found) == [*(name for name in ROWS if not name.endswith("unseen")), "sections", "protocol"]
    for side, vectors in sides.items():
        expected = similarity(vectors, TESTS.pairs["wordsim353"])["spearman"]
        assert found["wordsim353"][side] == pytest.approx(100 * expected)
        for method, row in (("add", "analogies"), ("mul", "analogies_mul")):
            assert found[row][side] == analogies(vectors, TESTS.analogies, method=method)["total"]["accuracy"]  # type: ignore[arg-type]
        told = analogies(vectors, TESTS.analogies)
        assert (found["semantic"][side], found["syntactic"][side]) == (
            told["semantic"]["accuracy"],
            told["syntactic"]["accuracy"],
        )
        assert {name: row[side] for name, row in found["sections"].items()} == {
            n: s["accuracy"] for n, s in told["sections"].items()
        }
    assert {key: found["wordsim353"][key] for key in ("used", "of", "coverage")} == {
        "used": 3,
        "of": 4,
        "coverage": 75.0,
    }
    assert found["analogies"]["of"] == 3
    assert found["simlex999"]["trained"] is None
    assert found["protocol"]["words"] == 5


def test_what_is_left_out_and_what_is_asked_for() -> None:
    said: list[str] = []
    found = judge(some(0), tests=TESTS, fold=False, most=4, say=said.append)
    assert "untrained" not in found["analogies"]
    assert found["wordsim353"]["used"] == 2
    assert (found["protocol"]["most"], found["protocol"]["fold"]) == (4, False)
    assert said == ["evaluating the trained vectors of 5 words"]
    assert judge(some(0), tests=TESTS, most=3)["analogies"]["used"] == 0


def test_words_known_by_their_parts_have_a_row_of_their_own() -> None:
    found = judge(some(0, unseen=True), some(1, unseen=True), TESTS)
    assert (found["wordsim353"]["used"], found["wordsim353_unseen"]["used"]) == (3, 4)
    expected = similarity(some(0, unseen=True), TESTS.pairs["wordsim353"])["unseen"]["spearman"]
    assert found["wordsim353_unseen"]["trained"] == pytest.approx(100 * expected)


def test_an_encoder_without_word_vectors_is_told() -> None:
    with pytest.raises(UserError, match="encoder conv has no word vectors"):
        vectors_of(
            encoders.build("conv", {"kind": "image", "size": 8, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3})
        )
    torch.manual_seed(0)
    table = encoders.build(
        "lookup", {"kind": "text", "tokens": "words", "lower": True, "words": ["a", "b"], "counts": [9, 7]}, dim=3
    )
    assert vectors_of(table).words == ("a", "b")
