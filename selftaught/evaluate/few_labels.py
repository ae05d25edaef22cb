"""Label efficiency: accuracy with few labels, on nested, class-balanced subsets that are the same for all methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.budget import Budget, Labels, subset
from selftaught.errors import UserError
from selftaught.evaluate.knn import percent
from selftaught.evaluate.linear import Standard, fit_linear
from selftaught.evaluate.threads import pool

BUDGETS: tuple[Budget, ...] = (10, 100, "1%", "10%")
"""Labels per class, or a percentage of all labels."""
DRAWS = 3
ALONE = 10_000
"""Up to this many labels, a thread fits each probe: the copy of its features is small."""


@final
@dataclass(frozen=True)
class FewLabels:
    """Predictions of linear probes that were fitted on few labels.

    Attributes:
        labels: Number of labels of each probe.
        predictions: Classes of the test samples, int64 [draws, M].
        l2: The L2 weight of each probe, chosen with its own labels.
    """

    labels: int
    predictions: NDArray[np.int64]
    l2: tuple[float, ...]

    def score(self, test_y: Labels) -> dict[str, Any]:
        """Return the mean and the spread (standard deviation over draws, with n - 1) of the accuracies, in percent."""
        accuracies = [percent(p, test_y) for p in self.predictions]
        spread = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else 0.0
        return {"mean": float(np.mean(accuracies)), "spread": spread, "draws": len(accuracies), "labels": self.labels}


def few_labels(
    train_x: NDArray[Any],
    train_y: Labels,
    test_x: NDArray[Any],
    *,
    budgets: Sequence[Budget] = BUDGETS,
    draws: int = DRAWS,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
    standard: Standard | None = None,
) -> dict[str, FewLabels]:
    """Fit linear probes on few labels, for each budget. They see neither the other labels nor the test labels.

    Features are scaled with all training samples, which needs no labels. A budget that covers all labels has one draw.

    Args:
        train_x: [N, D].
        train_y: int64 [N].
        test_x: [M, D].
        budgets: Labels per class (int), or a percentage of all labels ("1%").
        draws: Number of subsets of each size.
        seed: Draw i has the seed `seed` + i.
        groups: int64 [N]; samples of one group stay on one side when the L2 weight is chosen.
        standard: The scaling of all training samples, if it is already known.

    Raises:
        UserError: If a budget or the number of draws is invalid, or there are fewer than two classes.
    """
    if draws < 1:
        raise UserError(f"draws must be at least 1, not {draws}")
    standard = standard or Standard(train_x)
    asked = standard(test_x)
    drawn = {(budget, draw): subset(train_y, budget, seed + draw) for budget in budgets for draw in range(draws)}
    jobs = [job for job, index in drawn.items() if job[1] == 0 or len(index) < len(train_y)]

    def fit(job: tuple[Budget, int]) -> tuple[float, Labels]:
        index = drawn[job]
        mine = groups[index] if groups is not None else None
        fitted = fit_linear(train_x[index], train_y[index], seed + job[1], groups=mine, standard=standard)
        return fitted.l2, fitted.of_standard(asked).argmax(1).numpy()

    large = [job for job in jobs if len(drawn[job]) > ALONE]
    small = sorted((job for job in jobs if job not in large), key=lambda job: -len(drawn[job]))  # the longest first
    with pool() as threads:
        fitted = dict(zip(small, threads.map(fit, small), strict=True))  # a thread each
        fitted |= {job: fit(job) for job in large}  # all threads together
    found = {}
    for budget in budgets:
        mine = [fitted[job] for job in jobs if job[0] == budget]
        found[str(budget)] = FewLabels(
            len(drawn[budget, 0]), np.stack([says for _, says in mine]), tuple(l2 for l2, _ in mine)
        )
    return found


def label_efficiency(
    train_x: NDArray[Any],
    train_y: Labels,
    test_x: NDArray[Any],
    test_y: Labels,
    *,
    budgets: Sequence[Budget] = BUDGETS,
    draws: int = DRAWS,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
) -> dict[str, dict[str, Any]]:
    """{budget: {"mean", "spread", "draws", "labels"}}, in percent. See `few_labels` for the arguments and errors."""
    probes = few_labels(train_x, train_y, test_x, budgets=budgets, draws=draws, seed=seed, groups=groups)
    return {budget: probe.score(test_y) for budget, probe in probes.items()}
