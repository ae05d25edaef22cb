from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.evaluate import Neighbours, knn
from selftaught.evaluate.knn import neighbours


def blobs(n: int, classes: int = 4, d: int = 10, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return (np.random.default_rng(7).normal(size=(classes, d))[y] + rng.normal(size=(n, d))).astype(np.float32), y


def by_loops(x: NDArray[np.float32], y: NDArray[np.int64], queries: NDArray[np.float32], k: int, t: float) -> list[int]:
    found = []
    for q in queries.astype(np.float64):
        s = np.array([q @ v / (np.linalg.norm(q) * np.linalg.norm(v)) for v in x.astype(np.float64)])
        votes = np.zeros(y.max() + 1)
        for i in np.argsort(-s, kind="stable")[:k]:
            votes[y[i]] += math.exp((s[i] - s.max()) / t)
        found.append(int(votes.argmax()))
    return found


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (5, 0.07), (20, 0.5), (60, math.inf)])
def test_it_votes_as_the_definition_says(k: int, temperature: float) -> None:
    x, y = blobs(60)
    queries, _ = blobs(40, seed=1)
    assert Neighbours(x, y, k, temperature).predict(queries).tolist() == by_loops(x, y, queries, k, temperature)


def test_one_neighbour_is_the_nearest_neighbour() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    (x, y), (queries, _) = blobs(300), blobs(100, seed=1)
    theirs = KNeighborsClassifier(1, metric="cosine").fit(x, y).predict(queries)
    assert Neighbours(x, y, k=1).predict(queries).tolist() == theirs.tolist()


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    (x, y), (queries, _) = blobs(200), blobs(90, seed=1)
    whole, own = Neighbours(x, y, k=15).predict(queries), Neighbours(x, y, k=15).predict(x, exclude_self=True)
    monkeypatch.setattr(
        importlib.import_module("selftaught.evaluate.knn"), "BLOCK", 4 * 200 * 7
    )  # seven queries at a time
    np.testing.assert_array_equal(Neighbours(x, y, k=15).predict(queries), whole)
    np.testing.assert_array_equal(Neighbours(x, y, k=15).predict(x, exclude_self=True), own)


def test_without_itself_a_sample_gets_no_help() -> None:
    x, y = blobs(80)
    nearest = Neighbours(x, y, k=1)
    np.testing.assert_array_equal(nearest.predict(x), y)
    alone = [by_loops(np.delete(x, i, 0), np.delete(y, i), x[i : i + 1], 1, 0.07)[0] for i in range(len(x))]
    np.testing.assert_array_equal(nearest.predict(x, exclude_self=True), alone)
    assert (nearest.predict(x, exclude_self=True) != y).any()


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(4)), st.integers(0, 100))
def test_renaming_the_classes_renames_the_predictions(names: list[int], seed: int) -> None:
    (x, y), (queries, _) = blobs(50, seed=seed), blobs(20, seed=seed + 1)
    renamed = np.asarray(names)
    np.testing.assert_array_equal(
        Neighbours(x, renamed[y], 7).predict(queries), renamed[Neighbours(x, y, 7).predict(queries)]
    )


def test_a_duplicate_decides_at_a_small_temperature() -> None:
    x, _ = blobs(100)
    y = np.zeros(100, np.int64)
    y[17] = 3
    assert Neighbours(x, y, k=100, temperature=1e-4).predict(3 * x[17:18]).tolist() == [3]
    assert Neighbours(x, y, k=100, temperature=math.inf).predict(x[17:18]).tolist() == [0]


def test_how_many_vote() -> None:
    assert neighbours(60_000, 10) == 200
    assert neighbours(500, 10) == 200
    assert neighbours(499, 10) == 20
    assert neighbours(12, 3) == 12
    assert neighbours(100, 10, 1000) == 100
    with pytest.raises(UserError, match="k of the nearest"):
        neighbours(100, 10, 0)


def test_accuracy_is_in_percent_and_errors_are_sentences() -> None:
    x, y = blobs(50)
    assert knn(x, y, x, y, k=1) == 100.0
    wrong = y.copy()
    wrong[:5] += 1
    assert knn(x, y, x, wrong, k=1) == pytest.approx(90.0)
    with pytest.raises(UserError, match="temperature"):
        knn(x, y, x, y, temperature=0)
    with pytest.raises(UserError, match="as many features as labels"):
        knn(x, y[:-1], x, y)


def wide(n: int, seed: int, decay: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features of 500 numbers whose components fall off with a power."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 6, n)
    centres = np.random.default_rng(7).normal(size=(6, 500))
    turn, _ = np.linalg.qr(np.random.default_rng(8).normal(size=(500, 500)))
    return ((0.3 * centres[y] + rng.normal(size=(n, 500))) * np.arange(1, 501) ** -decay @ turn + 0.1).astype(
        np.float32
    ), y


@pytest.mark.parametrize("own", [False, True])
def test_candidates_are_as_good_as_all(monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    x, y = wide(3000, 0, 0.6)
    queries = x if own else wide(900, 1, 0.6)[0]
    quick = Neighbours(x, y, k=30)
    assert quick._many(len(queries))
    looked: list[int] = []
    everything = Neighbours._among_all
    monkeypatch.setattr(
        Neighbours, "_among_all", lambda self, z, *rest: (looked.append(len(z)), everything(self, z, *rest))[1]
    )
    found = quick.predict(queries, exclude_self=own)
    assert sum(looked) < len(queries) / 4
    monkeypatch.setattr(Neighbours, "_many", lambda *_: False)
    assert np.mean(found == quick.predict(queries, exclude_self=own)) > 0.995


def test_where_components_say_little_all_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what tells samples apart is outside of the components, which look at random ones."""
    x, y = wide(4000, 0, 0.0)
    queries, _ = wide(400, 1, 0.0)
    quick = Neighbours(x, y, k=3, temperature=math.inf)
    assert quick._many(len(queries))
    found = quick.predict(queries)
    monkeypatch.setattr(Neighbours, "_many", lambda *_: False)
    exact = quick.predict(queries)
    assert np.mean(found == exact) > 0.95
    monkeypatch.undo()
    monkeypatch.setattr(Neighbours, "_among_all", lambda self, z, *_: np.full(len(z), -1))
    assert np.mean(quick.predict(queries) == -1) > 0.5


def test_few_samples_are_all_compared() -> None:
    x, y = wide(2000, 0, 0.6)
    assert not Neighbours(x, y, k=200)._many(500)
    assert not Neighbours(x, y, k=20)._many(100)
    assert not Neighbours(x[:, :300], y, k=20)._many(500)
