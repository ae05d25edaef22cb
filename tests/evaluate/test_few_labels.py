from __future__ import annotations

import numpy as np
import pytest
from evaluate.test_linear import blobs

from selftaught.data.budget import subset
from selftaught.errors import UserError
from selftaught.evaluate import label_efficiency
from selftaught.evaluate.few_labels import few_labels
from selftaught.evaluate.knn import percent
from selftaught.evaluate.linear import Standard, fit_linear


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
