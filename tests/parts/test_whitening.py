from __future__ import annotations

import pytest
import torch

from selftaught.parts.whitening import whitening


@pytest.mark.parametrize(("n", "d", "dims"), [(200, 12, 5), (200, 12, 12), (300, 600, 20)])
def test_whitened_rows_have_the_identity_as_covariance(n: int, d: int, dims: int) -> None:
    generator = torch.Generator().manual_seed(0)
    strength = 10 * 0.9 ** torch.arange(d)
    x = torch.randn(n, d, generator=generator) * strength + 3
    mean, matrix = whitening(x, dims)
    white = (x - mean) @ matrix
    assert matrix.shape == (d, dims)
    assert torch.allclose(white.mean(0), torch.zeros(dims), atol=1e-4)
    assert torch.allclose(white.T @ white / n, torch.eye(dims), atol=2e-2 if dims == 12 else 5e-3)
    values = torch.linalg.eigvalsh(((x - mean).T @ (x - mean) / n).double()).flip(0)
    assert torch.allclose(matrix.double().norm(dim=0) ** -2, values[:dims], rtol=1e-2)  # the components that vary most


def test_few_rows_and_features_that_never_vary_are_finite() -> None:
    _, matrix = whitening(torch.randn(4, 9), 9)
    assert matrix.shape == (9, 3) and matrix.isfinite().all()
    _, matrix = whitening(torch.ones(8, 5), 3)
    assert matrix.isfinite().all()
