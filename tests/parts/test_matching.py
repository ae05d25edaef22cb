from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from selftaught.parts.matching import matching


def looped(one: Tensor, other: Tensor) -> float:
    hits = 0
    for i in range(len(one)):
        cosines = [float(one[i] @ other[j] / (one[i].norm() * other[j].norm())) for j in range(len(one))]
        hits += all(cosines[i] > cosines[j] for j in range(len(one)) if j != i)
    return hits / len(one)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 12), dim=st.integers(2, 6), noise=st.floats(0, 2), seed=st.integers(0, 1000))
def test_equals_the_double_loop(n: int, dim: int, noise: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    one = torch.randn(n, dim, generator=generator)
    other = one + noise * torch.randn(n, dim, generator=generator)
    assert float(matching(one, other)["accuracy"]) == pytest.approx(looped(one.double(), other.double()), abs=1e-6)


def test_directions_count_and_lengths_do_not() -> None:
    one = torch.randn(9, 4)
    assert matching(one, one * torch.rand(9, 1).add(0.1))["accuracy"] == 1
    assert matching(one, -one)["accuracy"] == 0
    assert float(matching(one, one)["chance"]) == pytest.approx(1 / 9)


def test_collapse_matches_nothing() -> None:
    one = torch.ones(8, 4)
    assert matching(one, one)["accuracy"] == 0
    assert matching(torch.zeros(8, 4), one)["accuracy"] == 0


def test_noise_matches_by_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    hits = [float(matching(*torch.randn(2, 50, 8, generator=generator))["accuracy"]) for _ in range(100)]
    assert sum(hits) / 100 == pytest.approx(1 / 50, abs=4 * (0.02 * 0.98 / 5000) ** 0.5)


def test_it_does_not_train() -> None:
    one = torch.randn(4, 3, requires_grad=True)
    assert not any(v.requires_grad for v in matching(one, one).values())
