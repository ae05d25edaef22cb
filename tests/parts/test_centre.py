from __future__ import annotations

import pytest
import torch

from selftaught.parts.centre import distance_to_centre


@pytest.mark.parametrize("full", [1, 2, 4])
def test_equals_the_loop(full: int) -> None:
    z = [torch.randn(3, 5, dtype=torch.float64) for _ in range(4)]
    total = 0.0
    for n in range(3):
        for j in range(5):
            centre = sum(float(z[v][n, j]) for v in range(full)) / full
            total += sum((centre - float(z[v][n, j])) ** 2 for v in range(4)) / (4 * 3 * 5)
    assert float(distance_to_centre(z, full)) == pytest.approx(total)


def test_gradients_flow_into_the_centre() -> None:
    """With two views, each moves by its distance from the other, not from a fixed mean: 2 * (z1 - z2) / 4 each."""
    one, other = (torch.randn(2, 3, requires_grad=True) for _ in range(2))
    distance_to_centre([one, other], 2).backward()
    assert torch.allclose(one.grad * 6, (one - other).detach() / 2)
    assert torch.allclose(other.grad, -one.grad)
    small = torch.randn(2, 3, requires_grad=True)
    full = torch.randn(2, 3, requires_grad=True)
    distance_to_centre([full, small], 1).backward()
    assert torch.allclose(full.grad, -small.grad) and full.grad.abs().sum() > 0
