from __future__ import annotations

import pytest
import torch

from selftaught.errors import UserError
from selftaught.parts.contrastive_margin import contrastive_margin
from selftaught.parts.scores import SquaredDistance


@pytest.mark.parametrize("margin", [0.5, 2.0])
def test_equals_the_loop_over_pairs_of_rows(margin: float) -> None:
    generator = torch.Generator().manual_seed(0)
    q, own, other = (torch.randn(n, 3, generator=generator, dtype=torch.float64) for n in (4, 4, 6))
    total = 0.0
    for i in range(4):
        total += float((q[i] - own[i]).norm()) ** 2
        total += sum(max(0.0, margin - float((q[i] - k).norm())) ** 2 for k in other) / 6
    score = SquaredDistance()
    outputs = contrastive_margin(score.pairs(q, own), score.table(q, other), margin)
    assert outputs["loss"].item() == pytest.approx(total / 4, rel=1e-10)


def test_negatives_beyond_the_margin_cost_nothing_and_pull_nothing() -> None:
    negative = torch.tensor([[-4.1, -9.0]], requires_grad=True)
    outputs = contrastive_margin(torch.tensor([0.0]), negative, 2.0)
    outputs["loss"].backward()
    assert outputs["loss"] == 0 and negative.grad is not None and (negative.grad == 0).all()


def test_two_rows_in_one_place_have_finite_gradients() -> None:
    score = SquaredDistance()
    q, k = torch.ones(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    contrastive_margin(score.pairs(q, k), score.table(q, k), 1.0)["loss"].backward()
    assert q.grad is not None and q.grad.isfinite().all()


def test_a_margin_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="margin must be greater than 0, not 0"):
        contrastive_margin(torch.zeros(2), torch.zeros(2, 3), 0)
