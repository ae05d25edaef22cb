"""a : b :: c : d against a naive loop, a planted grid, and what must change nothing."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from selftaught.errors import UserError
from selftaught.evaluate.words import analogies, analogy, answers
from selftaught.parts.word_vectors import WordVectors

Question = tuple[str, str, str, str]


def grid() -> tuple[WordVectors, dict[str, list[Question]]]:
    """Gender x royalty x number, each a direction of its own, and words that are none of it."""
    rng = np.random.default_rng(0)
    gender, royal, plural = np.eye(3, 8) * 1.0
    words = {"man": 0 * gender, "woman": gender, "king": royal, "queen": royal + gender}
    words |= {f"{word}s": vector + plural for word, vector in words.items()}
    base = np.asarray([0, 0, 0, 1, 0.5, 0, 0, 0])
    words = {word: vector + base for word, vector in words.items()}
    words |= {f"other{i}": rng.normal(size=8) * 0.7 for i in range(30)}
    vectors = WordVectors(tuple(words), np.asarray(list(words.values()), np.float32))
    people = [("man", "woman"), ("king", "queen"), ("mans", "womans"), ("kings", "queens")]
    numbers = [(w, f"{w}s") for w in ("man", "woman", "king", "queen")]
    sections = {"family": people, "gram8-plural": numbers}
    return vectors, {name: [(*x, *y) for x, y in itertools.permutations(rows, 2)] for name, rows in sections.items()}


def chance(words: int = 200, questions: int = 300, dim: int = 12) -> tuple[WordVectors, list[Question]]:
    rng = np.random.default_rng(1)
    vectors = WordVectors(tuple(f"w{i}" for i in range(words)), rng.normal(size=(words, dim)).astype(np.float32))
    return vectors, [tuple(f"w{i}" for i in rng.choice(words, 4, replace=False)) for _ in range(questions)]  # type: ignore[misc]


def by_loop(vectors: WordVectors, question: Question, method: str, epsilon: float = 1e-3) -> str:
    x = vectors.matrix.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    a, b, c = (x[vectors.words.index(w)] for w in question[:3])
    scores = {}
    for word, d in zip(vectors.words, x, strict=True):
        if word not in question[:3]:
            target = b - a + c
            add = d @ target / np.linalg.norm(target)
            scores[word] = (
                add if method == "add" else ((1 + d @ b) / 2) * ((1 + d @ c) / 2) / ((1 + d @ a) / 2 + epsilon)
            )
    return max(scores, key=lambda w: scores[w])


@pytest.mark.parametrize("method", ["add", "mul"])
def test_a_planted_grid_is_all_right(method: analogy.By) -> None:
    vectors, sections = grid()
    found = analogies(vectors, sections, method=method)
    for part in ("total", "semantic", "syntactic"):
        assert found[part]["accuracy"] == 100
    assert found["semantic"]["of"] == 12
    assert found["sections"]["family"] == found["semantic"]
    assert found["total"] == {"accuracy": 100.0, "right": 24, "asked": 24, "of": 24, "coverage": 100.0}


def test_leaving_the_given_words_out_is_what_makes_it_solvable() -> None:
    rng = np.random.default_rng(0)
    first, step = rng.normal(size=(12, 400)) / 20, np.eye(1, 400)  # of length 1 about
    second = first + 0.3 * step + 0.4 * rng.normal(size=(12, 400)) / 20
    words = tuple(f"{side}{i}" for side in "xy" for i in range(12))
    vectors = WordVectors(words, np.concatenate([first, second]).astype(np.float32))
    questions = [(f"x{i}", f"y{i}", f"x{j}", f"y{j}") for i, j in itertools.permutations(range(12), 2)]
    assert analogies(vectors, {"steps": questions})["total"]["accuracy"] == 100
    rows, none = np.asarray([[vectors.index[w] for w in q] for q in questions]), np.empty(0, np.int64)
    assert (analogy.solve(vectors.unit, rows[:, :3], none, none) == rows[:, 3]).mean() < 0.5


@pytest.mark.parametrize("method", ["add", "mul"])
def test_it_is_what_a_naive_loop_finds_whatever_the_blocks(method: analogy.By, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, questions = chance()
    expected = [by_loop(vectors, q, method) for q in questions]
    asked = [(*q[:3], d) for q, d in zip(questions, expected, strict=True)]
    assert analogies(vectors, {"x": asked}, method=method)["total"]["accuracy"] == 100
    monkeypatch.setattr(analogy, "CELLS", 1)
    monkeypatch.setattr(analogy, "ROWS", 7)
    assert analogies(vectors, {"x": asked}, method=method)["total"]["accuracy"] == 100
    assert [answers(vectors, *q[:3], 1, method=method)[0][0] for q in questions[:50]] == expected[:50]


def test_the_two_methods_and_epsilon_are_heard() -> None:
    vectors, questions = chance()
    add, mul, large = ([by_loop(vectors, q, *how) for q in questions] for how in (("add",), ("mul",), ("mul", 1.0)))
    assert add != mul != large
    asked = [(*q[:3], d) for q, d in zip(questions, large, strict=True)]
    assert analogies(vectors, {"x": asked}, method="mul", epsilon=1.0)["total"]["accuracy"] == 100
    assert analogies(vectors, {"x": asked}, method="mul")["total"]["accuracy"] < 100


@pytest.mark.parametrize("method", ["add", "mul"])
def test_one_rotation_and_lengths_of_single_vectors_change_nothing(method: analogy.By) -> None:
    vectors, questions = chance()
    asked = [(*q[:3], by_loop(vectors, q, method)) for q in questions]
    rng = np.random.default_rng(5)
    rotation = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    turned = WordVectors(vectors.words, (vectors.matrix @ rotation * rng.uniform(0.1, 9, (200, 1))).astype(np.float32))
    assert analogies(turned, {"x": asked}, method=method)["total"]["accuracy"] == 100


def test_unknown_words_change_coverage_only() -> None:
    vectors, sections = grid()
    found = analogies(
        vectors, sections | {"gram9": [("man", "woman", "king", "never"), ("nor", "this", "man", "king")]}
    )
    assert found["total"]["accuracy"] == 100
    assert found["sections"]["gram9"] == {"accuracy": None, "right": 0, "asked": 0, "of": 2, "coverage": 0.0}
    assert found["total"]["coverage"] == pytest.approx(100 * 24 / 26)
    assert analogies(vectors, {})["total"] == {"accuracy": None, "right": 0, "asked": 0, "of": 0, "coverage": 0.0}


def test_case_is_folded_and_no_spelling_of_a_given_word_is_an_answer() -> None:
    x = np.asarray([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [1, 0.9, 1.2], [1, 0.1, 1]], np.float32)
    vectors = WordVectors(("Paris", "France", "Rome", "ITALY", "other", "ROME"), x)
    question = {"capitals": [("paris", "france", "rome", "italy")]}
    assert analogies(vectors, question)["total"]["right"] == 1
    assert analogies(vectors, question, fold=False)["total"]["asked"] == 0
    far = WordVectors(
        ("Paris", "France", "Rome", "ROME", "Italy"),
        np.asarray([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [1, 2, 1]], np.float32),
    )
    assert analogies(far, question)["total"]["right"] == 1  # ROME is nearer, and is left out


def test_only_the_first_words_count() -> None:
    vectors, questions = chance()
    found = analogies(vectors, {"x": questions}, most=100)
    inside = [q for q in questions if all(int(w[1:]) < 100 for w in q)]
    assert found["total"]["asked"] == len(inside) > 0
    few = WordVectors(vectors.words[:100], vectors.matrix[:100])
    asked = [(*q[:3], by_loop(few, q, "add")) for q in inside]
    assert analogies(vectors, {"x": asked}, most=100)["total"]["accuracy"] == 100
    with pytest.raises(UserError, match="at least 1 word"):
        analogies(vectors, {"x": questions}, most=0)


def test_answers_are_sorted_leave_the_given_words_out_and_tell_their_score() -> None:
    vectors, _ = grid()
    found = answers(vectors, "man", "woman", "king", 5)
    assert found[0][0] == "queen"
    assert len(found) == 5
    assert not {"man", "woman", "king"} & {word for word, _ in found}
    assert [s for _, s in found] == sorted((s for _, s in found), reverse=True)
    u = vectors.unit.astype(np.float64)
    m, w, k, q = (u[vectors.index[word]] for word in ("man", "woman", "king", "queen"))
    assert found[0][1] == pytest.approx(q @ (w - m + k) / np.linalg.norm(w - m + k), abs=1e-6)
    mul = answers(vectors, "MAN", "woman", "king", method="mul")
    assert mul[0] == ("queen", pytest.approx((1 + q @ w) / 2 * (1 + q @ k) / 2 / ((1 + q @ m) / 2 + 1e-3), abs=1e-5))
    assert answers(vectors, "man", "woman", "king", 1000)[-1][1] <= found[-1][1]
    assert len(answers(vectors, "man", "woman", "king", 1000)) == len(vectors) - 3


def test_bad_values_are_told() -> None:
    vectors, sections = grid()
    with pytest.raises(UserError, match="'add' or 'mul'"):
        analogies(vectors, sections, method="times")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="epsilon greater than 0"):
        analogies(vectors, sections, epsilon=0)
    with pytest.raises(UserError, match="'add' or 'mul'"):
        answers(vectors, "man", "woman", "king", method="times")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="at least 1, not 0"):
        answers(vectors, "man", "woman", "king", 0)
    with pytest.raises(UserError, match="similar words are 'queen'"):
        answers(vectors, "man", "woman", "quen")


def test_many_questions_take_little_time() -> None:
    rng = np.random.default_rng(2)
    vectors = WordVectors(tuple(map(str, range(10_000))), rng.normal(size=(10_000, 50)).astype(np.float32))
    pool = rng.choice(10_000, 300, replace=False)
    questions: list[Question] = [tuple(map(str, rng.choice(pool, 4, replace=False))) for _ in range(2000)]  # type: ignore[misc]
    began = time.process_time()
    analogies(vectors, {"x": questions})
    assert time.process_time() - began < 3
