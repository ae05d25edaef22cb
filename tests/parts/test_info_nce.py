from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from selftaught.parts.info_nce import info_nce


def scores(queries: int = 5, negatives: int = 7, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(queries, generator=generator, dtype=torch.float64),
        torch.randn(queries, negatives, generator=generator, dtype=torch.float64),
    )


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_equals_the_formula_in_a_loop(temperature: float) -> None:
    p, n = scores()
    total = 0.0
    for i in range(len(p)):
        top = math.exp(p[i] / temperature)
        total -= math.log(top / (top + sum(math.exp(x / temperature) for x in n[i])))
    assert info_nce(p, n, temperature)["loss"].item() == pytest.approx(total / len(p), rel=1e-12)


def test_one_negative_is_a_softplus_of_the_difference() -> None:
    p, n = scores(negatives=1)
    assert torch.allclose(info_nce(p, n, 0.3)["loss"], F.softplus((n[:, 0] - p) / 0.3).mean(), rtol=1e-12)


def test_does_not_depend_on_the_order_of_the_negatives() -> None:
    p, n = scores()
    assert torch.allclose(info_nce(p, n, 0.2)["loss"], info_nce(p, n[:, torch.randperm(7)], 0.2)["loss"], rtol=1e-12)


def test_falls_when_the_positive_rises() -> None:
    p, n = scores()
    assert info_nce(p + 0.01, n, 0.2)["loss"] < info_nce(p, n, 0.2)["loss"]


def test_a_constant_added_to_all_scores_changes_nothing() -> None:
    p, n = scores()
    assert torch.allclose(info_nce(p + 3, n + 3, 0.2)["loss"], info_nce(p, n, 0.2)["loss"], rtol=1e-9)


def test_gradient_is_probability_minus_one_hot() -> None:
    p, n = (x.requires_grad_() for x in scores())
    info_nce(p, n, 0.5)["loss"].backward()
    probability = torch.softmax(torch.cat([p[:, None], n], 1).detach() / 0.5, 1)
    assert torch.allclose(p.grad, (probability[:, 0] - 1) / (0.5 * len(p)))
    assert torch.allclose(n.grad, probability[:, 1:] / (0.5 * len(p)))


def test_gradient_with_respect_to_queries_agrees_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, queue = (torch.randn(rows, 6, generator=generator, dtype=torch.float64) for rows in (4, 4, 9))

    def loss(q: torch.Tensor) -> torch.Tensor:
        return info_nce((q * k).sum(1), q @ queue.T, 0.7)["loss"]

    assert torch.autograd.gradcheck(loss, q.requires_grad_())


def test_keys_at_minus_infinity_are_no_negatives() -> None:
    p, n = scores()
    padded = torch.cat([n, torch.full((5, 2), -torch.inf, dtype=torch.float64)], 1)[:, torch.randperm(9)]
    for name, value in info_nce(p, n, 0.2).items():
        assert torch.allclose(info_nce(p, padded, 0.2)[name], value), name


def test_accuracy_and_chance_count_the_negatives() -> None:
    p = torch.tensor([1.0, 0.0, 2.0, 0.0])
    n = torch.tensor([[0.5, 0.9], [0.5, -1.0], [1.0, 1.5], [-1.0, -2.0]])
    outputs = info_nce(p, n, 1.0)
    assert outputs["accuracy"] == 0.75
    assert outputs["chance"] == pytest.approx(1 / 3)
    assert outputs["negatives"] == 2


def test_a_collapsed_encoder_scores_nothing() -> None:
    outputs = info_nce(torch.ones(8), torch.ones(8, 30), 0.1)
    assert outputs["accuracy"] == 0
    assert outputs["loss"].item() == pytest.approx(math.log(31), rel=1e-6)


@pytest.mark.parametrize("negatives", [15, 255, 4095])
def test_uninformative_features_score_log_one_plus_k(negatives: int) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, others = (F.normalize(torch.randn(rows, 256, generator=generator), dim=1) for rows in (512, 512, negatives))
    loss = info_nce((q * k).sum(1), q @ others.T, 1.0)["loss"].item()
    assert loss == pytest.approx(math.log(1 + negatives), rel=0.005)


def test_more_negatives_make_the_task_harder() -> None:
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(256, 16, generator=generator)
    k = F.normalize(q + torch.randn(256, 16, generator=generator), dim=1)
    q, others = F.normalize(q, dim=1), F.normalize(torch.randn(4096, 16, generator=generator), dim=1)
    accuracy = [info_nce((q * k).sum(1), q @ others[:count].T, 0.1)["accuracy"].item() for count in (16, 256, 4096)]
    assert accuracy[0] > accuracy[1] + 0.05 > accuracy[2] + 0.1
