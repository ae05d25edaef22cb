"""Neighbours against a naive loop, words without a row, near spellings, and groups."""

from __future__ import annotations

import numpy as np
import pytest

from selftaught.errors import UserError
from selftaught.evaluate.words import clusters, near_spellings, nearest
from selftaught.parts.word_vectors import WordVectors


def some(words: int = 80, dim: int = 7) -> WordVectors:
    return WordVectors(
        tuple(f"w{i}" for i in range(words)), np.random.default_rng(0).normal(size=(words, dim)).astype(np.float32)
    )


@pytest.mark.parametrize("k", [1, 5, 79, 500])
def test_neighbours_are_those_of_a_naive_loop(k: int) -> None:
    vectors = some()
    x = vectors.matrix.astype(np.float64)
    cosines = [x[3] @ y / np.linalg.norm(x[3]) / np.linalg.norm(y) for y in x]
    expected = sorted((i for i in range(80) if i != 3), key=lambda i: -cosines[i])[:k]
    found = nearest(vectors, "w3", k)
    assert [word for word, _ in found] == [f"w{i}" for i in expected]
    np.testing.assert_allclose([cosine for _, cosine in found], [cosines[i] for i in expected], atol=1e-6)


def test_of_equal_ones_the_more_frequent_comes_first() -> None:
    vectors = WordVectors(("a", "b", "c", "d"), np.ones((4, 2), np.float32))
    assert [word for word, _ in nearest(vectors, "b", 2)] == ["a", "c"]


def test_a_word_is_found_as_written_before_lower_case() -> None:
    vectors = WordVectors(
        ("Turkey", "turkey", "bird", "Ankara"), np.asarray([[1, 0], [0, 1], [0.1, 1], [1, 0.1]], np.float32)
    )
    assert nearest(vectors, "Turkey", 1)[0][0] == "Ankara"
    assert nearest(vectors, "turkey", 1)[0][0] == "bird"
    assert nearest(vectors, "TURKEY", 1)[0][0] == "bird"


def test_a_word_known_by_its_parts_has_neighbours_itself_not_among_them() -> None:
    vectors = WordVectors(
        ("walk", "walked", "sea"),
        np.eye(3, dtype=np.float32),
        unseen=lambda w: np.asarray([1, 2, 0], np.float32) if "walk" in w else None,
    )
    assert [word for word, _ in nearest(vectors, "walkers")] == ["walked", "walk", "sea"]
    with pytest.raises(UserError, match=r"'lake' is not among the 3 words"):
        nearest(vectors, "lake")


def test_an_unknown_word_is_one_sentence_with_near_spellings() -> None:
    vectors = WordVectors(("river", "bank", "banks", "money"), np.eye(4, dtype=np.float32))
    with pytest.raises(UserError, match=r"^'bankz' is not among the 4 words; similar words are 'bank', 'banks'$"):
        nearest(vectors, "bankz")
    with pytest.raises(UserError, match=r"it did not occur in training, or too rarely$"):
        nearest(vectors, "xylophone")
    with pytest.raises(UserError, match="k, the number of words to show, must be at least 1"):
        nearest(vectors, "bank", 0)


def test_near_spellings_of_odd_words() -> None:
    assert near_spellings(("bank",), "") == []
    assert near_spellings(("a", "b"), "a") == ["a"]
    assert len(near_spellings(tuple(f"bank{i}" for i in range(9)), "bank", 2)) == 2


def test_clusters_are_the_planted_ones_the_largest_and_most_central_first() -> None:
    rng = np.random.default_rng(1)
    centres, sizes = np.eye(3, 6), (30, 20, 10)
    words, rows = [], []
    for group, size in enumerate(sizes):
        for i in range(size):
            words.append(f"{'abc'[group]}{i}")
            rows.append((centres[group] + (0.15 * rng.normal(size=6) if i else 0)) * rng.uniform(0.2, 5))
    found = clusters(WordVectors(tuple(words), np.asarray(rows, np.float32)), 3)
    assert [len(group) for group in found] == [30, 20, 10]
    assert [{word[0] for word in group} for group in found] == [{"a"}, {"b"}, {"c"}]
    assert all(f"{group[0][0]}0" in group[:8] for group in found)
    assert found == clusters(WordVectors(tuple(words), np.asarray(rows, np.float32)), 3)


def test_clusters_of_the_first_words_only() -> None:
    vectors = some()
    assert sum(map(len, clusters(vectors, 4, most=50))) == 50
    assert clusters(vectors, 4, seed=1) != clusters(vectors, 4, seed=2)
    with pytest.raises(UserError, match="use 1 to 50"):
        clusters(vectors, 51, most=50)
