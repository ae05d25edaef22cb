from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught.evaluate.principal import Principal, principal


def decaying(n: int, d: int, seed: int = 0) -> Tensor:
    """Features whose components fall off like those of a network's."""
    rng = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(rng.normal(size=(d, d)))
    return torch.from_numpy(rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.7 @ turned.T)


def second_moments(found: Principal, d: int) -> Tensor:
    """What is known of x'x / N."""
    assert found.basis is not None
    along = (found.basis * (found.values - found.rest)) @ found.basis.T
    return along + found.rest * torch.eye(d, dtype=torch.float64)


@pytest.mark.parametrize("d", [5, 40])
def test_narrow_features_are_known_exactly(d: int) -> None:
    x = decaying(300, d)
    torch.testing.assert_close(second_moments(principal(x, 32), d), x.T @ x / 300)


def test_of_wide_features_the_leading_components_are_those_of_the_gram_matrix() -> None:
    x = decaying(1000, 200)
    found = principal(x, 30)
    values, vectors = torch.linalg.eigh(x.T @ x / 1000)
    assert found.basis is not None
    assert found.basis.shape == (200, 30)
    torch.testing.assert_close(found.basis.T @ found.basis, torch.eye(30, dtype=torch.float64))
    torch.testing.assert_close(found.values[:10], values.flip(0)[:10], rtol=1e-2, atol=0)
    assert float(found.values.sum()) > 0.97 * float(values[-30:].sum())
    inside = (
        (found.basis.T @ vectors.flip(1)[:, :10]).square().sum(0)
    )  # how much of each true direction the basis holds
    assert float(inside.min()) > 0.95
    assert float(second_moments(found, 200).trace()) == pytest.approx(float(values.sum()))


def test_fewer_rows_than_components_are_no_trouble() -> None:
    x = decaying(10, 200).float()
    found = principal(x, 30)
    assert found.basis is not None
    torch.testing.assert_close((x @ found.basis) @ found.basis.T, x, rtol=0, atol=1e-4)
    assert float(found.values[10:].max()) < 1e-6 * float(found.values[0])
    assert found.rest < 1e-6 * float(found.values[0])


def test_threads_do_not_change_a_bit() -> None:
    x = decaying(5000, 100).float()
    count = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(principal(x, 20).basis)
    finally:
        torch.set_num_threads(count)
    assert found[0] is not None
    assert found[1] is not None
    assert torch.equal(found[0], found[1])
