from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts.nce import nce, normaliser


def rows(n: int, width: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


@pytest.mark.parametrize(("temperature", "z", "noise"), [(0.07, 1e4, 1 / 50), (1.0, 3.0, 0.5)])
def test_equals_the_paper_in_a_loop(temperature: float, z: float, noise: float) -> None:
    p, n = rows(4, 1, 0)[:, 0] * 0.4, rows(4, 6, 1)
    total = 0.0
    for i in range(4):
        model = math.exp(p[i] / temperature) / z
        total -= math.log(model / (model + 6 * noise))
        for j in range(6):
            model = math.exp(n[i, j] / temperature) / z
            total -= math.log(1 - model / (model + 6 * noise))
    assert nce(p, n, noise, temperature, z)["loss"].item() == pytest.approx(total / 4, rel=1e-10)
    assert torch.equal(nce(p, n, noise, temperature, torch.tensor(z))["loss"], nce(p, n, noise, temperature, z)["loss"])


def test_without_a_model_of_the_noise_it_is_logistic_regression() -> None:
    p, n = rows(4, 1, 0)[:, 0], rows(4, 6, 1)
    expected = -(F.logsigmoid(p / 0.2) + F.logsigmoid(-n / 0.2).sum(1)).mean()
    torch.testing.assert_close(nce(p, n, 1 / 6, 0.2)["loss"], expected)


def test_with_the_true_normaliser_and_many_draws_the_gradient_is_the_softmaxs() -> None:
    bank, query, own, temperature = rows(12, 5, 0), rows(1, 5, 1), 3, 0.3
    truth = query.clone().requires_grad_()
    F.cross_entropy(truth @ bank.T / temperature, torch.tensor([own])).backward()
    z = (query @ bank.T / temperature).exp().sum()
    errors = []
    for draws in (12, 48, 12_000):  # every row the same number of times: the expectation over noise, exactly
        feature = query.clone().requires_grad_()
        drawn = bank.repeat(draws // 12, 1)
        nce((feature * bank[own]).sum(1), feature @ drawn.T, 1 / 12, temperature, z)["loss"].backward()
        assert truth.grad is not None and feature.grad is not None
        errors.append(float((feature.grad - truth.grad).norm() / truth.grad.norm()))
    assert errors[0] > errors[1] > errors[2] and errors[2] < 1e-3


def test_drawn_at_random_the_gradient_is_near_the_softmaxs() -> None:
    bank, query, own, temperature = rows(30, 5, 0), rows(1, 5, 1), 3, 0.5
    truth, feature = query.clone().requires_grad_(), query.clone().requires_grad_()
    F.cross_entropy(truth @ bank.T / temperature, torch.tensor([own])).backward()
    drawn = bank[torch.randint(30, (40_000,), generator=torch.Generator().manual_seed(0))]
    z = (query @ bank.T / temperature).exp().sum()
    nce((feature * bank[own]).sum(1), feature @ drawn.T, 1 / 30, temperature, z)["loss"].backward()
    assert truth.grad is not None and feature.grad is not None
    assert (feature.grad - truth.grad).norm() < 0.03 * truth.grad.norm()


def test_large_scores_overflow_nothing() -> None:
    p, n = torch.tensor([1.0, -1.0], requires_grad=True), torch.tensor([[1.0], [-1.0]], requires_grad=True)
    loss = nce(p, n, 1e-6, 1e-3, 1e30)["loss"]
    loss.backward()
    assert (
        loss.isfinite()
        and p.grad is not None
        and p.grad.isfinite().all()
        and n.grad is not None
        and n.grad.isfinite().all()
    )


def test_the_normaliser_is_exact_over_all_rows_and_right_on_average() -> None:
    bank, query = rows(40, 5, 0), rows(3, 5, 1)
    scores = query @ bank.T
    torch.testing.assert_close(normaliser(scores, 40, 0.2), (scores / 0.2).exp().sum(1).mean())
    drawn = scores[:, torch.randint(40, (20_000,), generator=torch.Generator().manual_seed(0))]
    assert normaliser(drawn, 40, 0.2).item() == pytest.approx(normaliser(scores, 40, 0.2).item(), rel=0.05)
    assert not normaliser(scores.requires_grad_(), 40, 0.2).requires_grad


@pytest.mark.parametrize(
    ("noise", "temperature", "message"), [(0.0, 1.0, "noise"), (1.5, 1.0, "noise"), (0.5, 0.0, "temperature")]
)
def test_values_out_of_range_are_refused(noise: float, temperature: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        nce(torch.zeros(2), torch.zeros(2, 3), noise, temperature)
