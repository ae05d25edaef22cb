from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught.evaluate import preconditioner
from selftaught.evaluate.preconditioner import Preconditioner
from selftaught.evaluate.principal import Principal, principal


def hessian(x: Tensor, weight: Tensor, ridge: float) -> Tensor:
    """[K D, K D] by automatic differentiation."""

    def loss(w: Tensor) -> Tensor:
        w = w.view_as(weight)
        return torch.logsumexp(x @ w.T, 1).mean() + ridge / 2 * w.square().sum()

    found: Tensor = torch.autograd.functional.hessian(loss, weight.flatten())  # type: ignore[no-untyped-call]
    return found


def matrix(function: Callable[[Tensor], Tensor], k: int, d: int) -> Tensor:
    """The matrix of a linear function of [K, D]."""
    units = torch.eye(k * d, dtype=torch.float64).view(-1, k, d)
    return torch.stack([function(unit).flatten() for unit in units], 1)


def problem(k: int, d: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(400, d)) * np.geomspace(3, 0.1, d))
    weight = torch.from_numpy(rng.normal(size=(k, d)))
    return x, weight, (x @ weight.T).softmax(1)


@pytest.mark.parametrize("axes", [False, True])
def test_where_all_components_are_coupled_it_is_the_root_of_the_inverse_hessian(
    axes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preconditioner, "SHARE", 1000)
    x, weight, p = problem(3, 8)
    components = Principal(None, x.square().mean(0), 0.0) if axes else principal(x, 8)
    s = matrix(Preconditioner(x, p, 0.1, components).outside, 3, 8)
    torch.testing.assert_close(s @ s.T, torch.linalg.inv(hessian(x, weight, 0.1)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [0, 4, 30])
def test_there_and_back_and_the_derivative(count: int) -> None:
    """Leading, other and remaining directions: `inside` undoes `outside`, and `gradient` is its transpose."""
    x, _, p = problem(3, 30)
    known = principal(x, 8) if count else None
    found = Preconditioner(x, p, 0.1, known if count < 30 else principal(x, 30))
    s, back, turned = (matrix(f, 3, 30) for f in (found.outside, found.inside, found.gradient))
    torch.testing.assert_close(back @ s, torch.eye(90, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(turned, s.T, atol=1e-9, rtol=0)


def test_the_objective_curves_nearly_alike_in_all_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preconditioner, "SHARE", 4)
    x, weight, p = problem(3, 30)
    h = hessian(x, weight, 0.01)
    s = matrix(Preconditioner(x, p, 0.01, principal(x, 30)).outside, 3, 30)
    assert float(torch.linalg.cond(s.T @ h @ s)) < float(torch.linalg.cond(h)) / 3
