from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.parts.triplet import Mining, triplet


def scores(queries: int = 6, negatives: int = 8, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(queries, generator=generator, dtype=torch.float64),
        torch.randn(queries, negatives, generator=generator, dtype=torch.float64),
    )


def chosen(p: float, n: list[float], mining: Mining) -> list[float]:
    if mining == "all":
        return n
    if mining == "hard":
        return [max(n)]
    farther = [x for x in n if x < p]
    return [max(farther) if farther else min(n)]


@pytest.mark.parametrize("mining", ["all", "semi_hard", "hard"])
@pytest.mark.parametrize("margin", [0.0, 0.5, None])
def test_equals_the_loop(mining: Mining, margin: float | None) -> None:
    p, n = scores()
    p[0], p[1] = -9.0, 9.0  # every negative closer, every negative farther
    costs = [
        math.log1p(math.exp(x - float(p[i]))) if margin is None else max(0.0, x - float(p[i]) + margin)
        for i in range(len(p))
        for x in chosen(float(p[i]), n[i].tolist(), mining)
    ]
    assert triplet(p, n, margin, mining)["loss"].item() == pytest.approx(sum(costs) / len(costs), rel=1e-10)


def test_a_negative_that_ties_with_the_positive_is_not_semi_hard() -> None:
    p, n = torch.tensor([0.5]), torch.tensor([[0.5, 0.2, 0.9]])
    assert triplet(p, n, 0.5, "semi_hard")["loss"] == pytest.approx(0.2)


def test_accuracy_looks_at_all_negatives_however_they_are_mined() -> None:
    p, n = torch.tensor([0.5, 0.5]), torch.tensor([[0.9, 0.2], [0.1, 0.2]])
    for mining in ("all", "semi_hard", "hard"):
        assert triplet(p, n, 0.2, mining)["accuracy"] == 0.5


def test_values_out_of_range_are_refused() -> None:
    p, n = scores()
    with pytest.raises(UserError, match="margin must be at least 0, not -1"):
        triplet(p, n, -1.0)
    with pytest.raises(UserError, match="mining must be one of all, semi_hard, hard, not 'easy'"):
        triplet(p, n, 0.2, "easy")  # type: ignore[arg-type]
