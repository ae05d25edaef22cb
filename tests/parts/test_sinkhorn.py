from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from selftaught.parts.sinkhorn import sinkhorn


def scores(n: int, k: int, seed: int = 0) -> Tensor:
    return torch.rand(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def looped(table: Tensor, epsilon: float, iterations: int) -> Tensor:
    """The paper's listing, number by number: columns (prototypes) to 1/K, rows (samples) to 1/N, times N at the end."""
    n, k = table.shape
    q = [[math.exp(float(table[i, j]) / epsilon) for j in range(k)] for i in range(n)]
    for _ in range(iterations):
        for j in range(k):
            total = sum(q[i][j] for i in range(n))
            for i in range(n):
                q[i][j] /= total * k
        for i in range(n):
            total = sum(q[i])
            for j in range(k):
                q[i][j] /= total * n
    return torch.tensor(q, dtype=torch.float64) * n


@pytest.mark.parametrize("iterations", [1, 3, 7])
@pytest.mark.parametrize("epsilon", [0.05, 0.3])
def test_equals_the_loop(epsilon: float, iterations: int) -> None:
    table = scores(7, 4)
    assert torch.allclose(sinkhorn(table, epsilon, iterations), looped(table, epsilon, iterations), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.sampled_from([0.05, 0.2, 1.0]), st.integers(0, 1000))
def test_marginals_are_uniform(n: int, k: int, epsilon: float, seed: int) -> None:
    table = scores(n, k, seed)
    q = sinkhorn(table, epsilon, 3)
    assert torch.allclose(q.sum(1), torch.ones(n, dtype=torch.float64), atol=1e-9)  # rows: exact after any number
    q = sinkhorn(table, max(epsilon, 0.2), 300)
    assert torch.allclose(q.sum(0), torch.full((k,), n / k, dtype=torch.float64), rtol=1e-3)


def test_uniform_scores_give_uniform_codes() -> None:
    assert torch.allclose(sinkhorn(torch.full((6, 4), 0.7), 0.05, 3), torch.full((6, 4), 0.25))


def test_no_prototype_can_take_everything() -> None:
    table = scores(40, 5) * 0.1
    table[:, 2] += 1  # everybody's favourite
    assert torch.equal((table / 0.05).softmax(1).argmax(1), torch.full((40,), 2))
    q = sinkhorn(table, 0.05, 100)
    assert torch.allclose(q.sum(0), torch.full((5,), 8.0, dtype=torch.float64), rtol=1e-3)


def test_what_all_samples_or_all_prototypes_share_does_not_matter() -> None:
    table = scores(9, 5)
    q = sinkhorn(table, 0.1, 200)
    moved = table + torch.arange(9, dtype=torch.float64)[:, None] + torch.arange(5, dtype=torch.float64)
    assert torch.allclose(sinkhorn(moved, 0.1, 200), q, atol=1e-6)


def test_codes_maximise_similarity_plus_entropy() -> None:
    table, epsilon = scores(6, 3), 0.3

    def objective(q: Tensor) -> float:
        return float((q * table).sum() - epsilon * (q * q.log()).sum())

    q = sinkhorn(table, epsilon, 2000)
    for seed in range(20):  # any step that keeps both marginals is a step down
        change = scores(6, 3, seed)
        change = change - change.mean(0) - change.mean(1, keepdim=True) + change.mean()
        assert objective(q + 1e-3 * q.min() * change) < objective(q)


def test_epsilon_decides_how_sharp_codes_are() -> None:
    table = scores(8, 4)
    sharp, soft = sinkhorn(table, 0.02, 300), sinkhorn(table, 5.0, 300)
    assert sharp.amax(1).mean() > 0.9
    assert soft.amax(1).mean() < 0.35


@pytest.mark.parametrize("epsilon", [1e-3, 1e-2, 10.0])
def test_no_epsilon_overflows(epsilon: float) -> None:
    q = sinkhorn(scores(50, 7).float(), epsilon, 3)
    assert q.dtype == torch.float32 and torch.isfinite(q).all()
    assert torch.allclose(q.sum(1), torch.ones(50), atol=1e-5)


def test_half_precision_scores_are_balanced_in_float32_and_carry_no_gradient() -> None:
    table = scores(8, 4).bfloat16().requires_grad_()
    q = sinkhorn(table, 0.05, 3)
    assert q.dtype == torch.float32 and not q.requires_grad
    assert torch.equal(q, sinkhorn(table.detach().float(), 0.05, 3))
