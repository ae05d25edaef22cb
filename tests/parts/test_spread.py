from __future__ import annotations

import pytest
import torch

from selftaught.parts.spread import spread


def test_one_point_is_zero_and_the_sphere_is_one() -> None:
    assert float(spread(torch.ones(20, 5))) == pytest.approx(0, abs=1e-3)
    assert float(spread(torch.cat([torch.eye(6), -torch.eye(6)]))) == pytest.approx(1)


def test_it_is_the_deviation_of_each_feature_in_units_of_a_healthy_one() -> None:
    z = torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))
    direction = z / z.norm(dim=1, keepdim=True)
    each = direction.std(0, correction=0)
    assert each.mean().item() == pytest.approx(1 / 4, rel=0.02)  # 1 / sqrt(D)
    assert float(spread(z)) == pytest.approx(float((each**2).mean().sqrt()) * 4, rel=1e-5)


def test_lengths_do_not_count_and_nothing_is_trained() -> None:
    z = torch.randn(10, 4, requires_grad=True)
    assert torch.allclose(spread(z), spread(z * 3), atol=1e-6)
    assert not spread(z).requires_grad
