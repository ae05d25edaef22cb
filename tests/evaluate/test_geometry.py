from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from selftaught.evaluate import alignment, embedding_std, rankme, uniformity


def gaussian(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(d: int, seed: int) -> Tensor:
    return torch.linalg.qr(gaussian(d, d, seed))[0]


def by_definition(z: Tensor) -> float:
    sigma = torch.linalg.svdvals(z.double())
    p = sigma / sigma.sum() + 1e-7
    return math.exp(-sum(float(v) * math.log(float(v)) for v in p))


def test_rankme_of_orthonormal_columns_is_their_number_and_of_one_direction_one() -> None:
    assert rankme(torch.linalg.qr(gaussian(40, 12, 0))[0]) == pytest.approx(12, rel=1e-4)
    assert rankme(gaussian(40, 1, 0) @ gaussian(1, 12, 1)) == pytest.approx(1, abs=1e-4)
    assert rankme(torch.zeros(5, 3)) == 1.0


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_rankme_is_its_definition_within_bounds_and_blind_to_rotation_and_scale(
    n: int, d: int, seed: int, scale: float
) -> None:
    z = gaussian(n, d, seed)
    rank = rankme(z)
    assert rank == pytest.approx(by_definition(z), rel=1e-5)
    assert 1 - 1e-4 <= rank <= min(n, d) + 1e-4
    assert rankme(scale * z @ rotation(d, seed + 1)) == pytest.approx(rank, rel=1e-5)


def test_rankme_takes_features_as_they_are_not_centred() -> None:
    z = gaussian(50, 8, 0) + 100
    assert rankme(z) == pytest.approx(by_definition(z), rel=1e-5)
    assert rankme(z) < 2 < rankme(z - z.mean(0))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 1000))
def test_alignment_and_uniformity_equal_double_loops(n: int, d: int, seed: int) -> None:
    x, y = gaussian(n, d, seed), gaussian(n, d, seed + 1)
    a, b = F.normalize(x, dim=1).numpy(), F.normalize(y, dim=1).numpy()
    assert alignment(x, y) == pytest.approx(
        np.mean([np.sum((p - q) ** 2) for p, q in zip(a, b, strict=True)]), abs=1e-9
    )
    potential = [math.exp(-2 * np.sum((p - q) ** 2)) for p, q in itertools.combinations(a, 2)]
    assert uniformity(x) == pytest.approx(math.log(np.mean(potential)), abs=1e-9)
    assert -8 - 1e-9 <= uniformity(x) <= 1e-9
    turn = rotation(d, seed + 2)
    assert uniformity(3 * x @ turn) == pytest.approx(uniformity(x), abs=1e-9)
    assert alignment(x @ turn, 5 * y @ turn) == pytest.approx(alignment(x, y), abs=1e-9)


def test_the_extremes_of_alignment_and_uniformity() -> None:
    x = gaussian(6, 4, 0)
    assert alignment(x, 2 * x) == pytest.approx(0, abs=1e-12)
    assert alignment(x, -x) == pytest.approx(4)
    assert uniformity(torch.ones(6, 4)) == pytest.approx(0)
    assert uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8)


def test_embedding_std_is_one_on_the_whole_sphere_and_zero_where_all_are_alike() -> None:
    even = torch.cat([torch.eye(16), -torch.eye(16)])
    assert embedding_std(even) == pytest.approx(1)
    assert embedding_std(torch.ones(10, 16)) == pytest.approx(0, abs=1e-9)
    x = gaussian(30, 16, 0) + 1
    u = F.normalize(x, dim=1)
    assert embedding_std(x) == pytest.approx(math.sqrt(16) * math.sqrt(float(u.var(0, correction=0).mean())))
    assert embedding_std(7 * x) == pytest.approx(embedding_std(x))
