"""Rank correlation with people's scores: ties, coverage, and what must change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from selftaught.evaluate.metrics.correlation import spearman
from selftaught.evaluate.words import similarity
from selftaught.parts.word_vectors import WordVectors

Pairs = list[tuple[str, str, float]]


def planted(words: int = 40, dim: int = 6, unseen: bool = False) -> WordVectors:
    rng = np.random.default_rng(3)
    extra = {f"new{i}": rng.normal(size=dim).astype(np.float32) for i in range(5)}
    matrix = rng.normal(size=(words, dim)).astype(np.float32)
    return WordVectors(tuple(f"w{i}" for i in range(words)), matrix, unseen=extra.get if unseen else None)


def pairs(count: int = 60, words: int = 40) -> Pairs:
    """Different ones, scores with ties."""
    rng = np.random.default_rng(4)
    both = [(a, b) for a in range(words) for b in range(a)]
    return [
        (f"w{a}", f"w{b}", float(rng.integers(8)))
        for a, b in (both[i] for i in rng.choice(len(both), count, replace=False))
    ]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def by_loop(vectors: WordVectors, rows: Pairs) -> float:
    x = vectors.matrix.astype(np.float64)
    found = [cosine(x[vectors.words.index(a)], x[vectors.words.index(b)]) for a, b, _ in rows]
    return float(spearmanr(found, [s for *_, s in rows]).statistic)


def test_it_is_scipys_correlation_of_cosines() -> None:
    vectors, rows = planted(), pairs()
    found = similarity(vectors, rows)
    assert found["spearman"] == pytest.approx(by_loop(vectors, rows), abs=1e-6)
    assert {k: found[k] for k in ("rows", "of", "coverage")} == {"rows": 60, "of": 60, "coverage": 100.0}
    assert "unseen" not in found


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30))
@settings(max_examples=60, deadline=None)
def test_equal_values_share_the_average_rank(values: list[tuple[int, int]]) -> None:
    a, b = np.asarray(values, np.float64).T
    found = spearman(a, b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert found is None
    else:
        assert found == pytest.approx(float(spearmanr(a, b).statistic), abs=1e-12)


def test_dropping_unknown_rows_changes_coverage_only() -> None:
    vectors, rows = planted(), pairs()
    found = similarity(vectors, [*rows, ("w1", "never", 9.0), ("nor", "this", 0.0)])
    assert found["spearman"] == similarity(vectors, rows)["spearman"]
    assert (found["rows"], found["of"]) == (60, 62)
    assert found["coverage"] == pytest.approx(100 * 60 / 62)


def test_one_rotation_and_lengths_of_single_vectors_change_nothing() -> None:
    vectors, rows = planted(), pairs()
    rng = np.random.default_rng(5)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    lengths = rng.uniform(0.1, 9, (40, 1))
    turned = WordVectors(vectors.words, (vectors.matrix @ rotation * lengths).astype(np.float32))
    assert similarity(turned, rows)["spearman"] == pytest.approx(similarity(vectors, rows)["spearman"], abs=1e-9)


def test_case_is_folded_unless_told_otherwise_and_the_more_frequent_spelling_counts() -> None:
    x = np.asarray([[1, 0], [0, 1], [1, 1], [-1, 0.5]], np.float32)
    vectors = WordVectors(("Tiger", "cat", "tiger", "car"), x)
    rows: Pairs = [("TIGER", "Cat", 5), ("tiger", "car", 1), ("cat", "car", 3)]
    found = similarity(vectors, rows)
    assert found["rows"] == 3
    assert found["spearman"] == pytest.approx(
        float(spearmanr([cosine(x[0], x[1]), cosine(x[0], x[3]), cosine(x[1], x[3])], [5, 1, 3])[0])
    )
    assert similarity(vectors, rows, fold=False)["rows"] == 2


def test_only_the_first_words_count() -> None:
    assert similarity(planted(), [("w0", "w1", 1.0), ("w0", "w2", 2.0), ("w0", "w3", 3.0)], most=3)["rows"] == 2


def test_words_known_by_their_parts_are_reported_apart() -> None:
    vectors = planted(unseen=True)
    known: Pairs = pairs(20)
    rows: Pairs = [*known, ("new1", "w3", 4.5), ("New2", "new3", 0.5), ("new1", "never", 2.0)]
    found = similarity(vectors, rows)
    assert found["spearman"] == similarity(planted(), known)["spearman"]
    assert (found["rows"], found["unseen"]["rows"], found["unseen"]["of"]) == (20, 22, 23)
    assert vectors.unseen is not None
    both = [(vectors.vector(a.lower()), vectors.vector(b.lower())) for a, b, _ in rows[:-1]]
    expected = spearmanr(
        [cosine(a, b) for a, b in both if a is not None and b is not None], [s for *_, s in rows[:-1]]
    ).statistic
    assert found["unseen"]["spearman"] == pytest.approx(float(expected), abs=1e-6)


def test_nothing_to_rank_is_none() -> None:
    assert similarity(planted(), []) == {"spearman": None, "rows": 0, "of": 0, "coverage": 0.0}
    assert similarity(planted(), [("w0", "w1", 1.0)])["spearman"] is None
    assert similarity(planted(), [("w0", "w1", 1.0), ("w0", "w2", 1.0)])["spearman"] is None
