from __future__ import annotations

import numpy as np
import pytest
from evaluate.test_linear import blobs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.evaluate import label_efficiency
from selftaught.evaluate.few_labels import few_labels, subset
from selftaught.evaluate.knn import percent
from selftaught.evaluate.linear import Standard, fit_linear


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=40, max_size=200).map(np.asarray), st.integers(0, 100))
def test_subsets_are_nested_and_balanced_within_one(y: NDArray[np.int64], seed: int) -> None:
    drawn = [set(subset(y, budget, seed)) for budget in (1, 2, 5, "50%", "100%")]
    assert drawn[0] <= drawn[1] <= drawn[2]
    assert len(drawn[4]) == len(y)
    sizes = np.bincount(y)
    np.testing.assert_array_equal(np.bincount(y[sorted(drawn[2])], minlength=len(sizes)), np.minimum(sizes, 5))
    half = np.bincount(y[sorted(drawn[3])], minlength=len(sizes))
    open_ = half < sizes
    assert not open_.any() or half.max() - half[open_].min() <= 1


def test_smaller_parts_are_inside_larger_ones_and_draws_differ() -> None:
    y = np.arange(2000) % 10
    one, ten = subset(y, "1%", 0), subset(y, "10%", 0)
    assert (len(one), len(ten)) == (20, 200)
    assert set(one) < set(ten)
    assert set(one) != set(subset(y, "1%", 1))
    assert len(subset(y, "0.1%", 0)) == 10  # one of each class at least


def test_accuracy_grows_with_labels_and_the_spread_is_over_draws() -> None:
    (x, y), (test, truth) = blobs(2000, distance=0.6), blobs(1000, seed=1, distance=0.6)
    rows = label_efficiency(x, y, test, truth, budgets=(2, 20, "20%", "100%"), draws=3)
    means = [row["mean"] for row in rows.values()]
    assert means[0] + 5 < means[1] < means[2] + 1.5
    assert means[2] < means[3] + 1.5
    assert [row["labels"] for row in rows.values()] == [8, 80, 400, 2000]
    assert [row["draws"] for row in rows.values()] == [3, 3, 3, 1]
    assert rows["2"]["spread"] > 0 == rows["100%"]["spread"]
    few = few_labels(x, y, test, budgets=(2,), draws=3)["2"]
    each = [percent(p, truth) for p in few.predictions]
    assert rows["2"]["mean"] == pytest.approx(np.mean(each))
    assert rows["2"]["spread"] == pytest.approx(np.std(each, ddof=1))


def test_a_probe_sees_its_own_labels_and_the_statistics_of_all_features() -> None:
    (x, y), (test, _) = blobs(300), blobs(50, seed=1)
    found = few_labels(x, y, test, budgets=(5,), draws=2, seed=3)["5"]
    for draw, predicted in enumerate(found.predictions):
        drawn = subset(y, 5, 3 + draw)
        alone = fit_linear(x[drawn], y[drawn], 3 + draw, standard=Standard(x))
        np.testing.assert_array_equal(predicted, alone.predict(test))
        assert found.l2[draw] == alone.l2


@pytest.mark.parametrize("budget", [0, "0%", "101%", "many", "10"])
def test_a_budget_that_means_nothing_is_refused(budget: int | str) -> None:
    x, y = blobs(50)
    with pytest.raises(UserError, match="budget"):
        few_labels(x, y, x, budgets=(budget,))


def test_no_draws_are_refused() -> None:
    x, y = blobs(50)
    with pytest.raises(UserError, match="draws"):
        few_labels(x, y, x, draws=0)
