from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from selftaught.evaluate.logistic import Solution, solve
from selftaught.evaluate.principal import Principal, principal
from selftaught.evaluate.threads import pool


def problem(n: int = 300, d: int = 20, k: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Correlated features of very different scales."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    y = (x @ rng.normal(size=(d, k)) + 3 * rng.normal(size=(n, k))).argmax(1)
    return torch.from_numpy(x), torch.from_numpy(y)


def components(x: Tensor) -> Principal:
    return principal(x, 12)


def centred(w: Tensor) -> Tensor:
    return w - w.mean(0)


def exact(x: Tensor, y: Tensor, k: int, l2: float, **options: object) -> Solution:
    """As near as losses in float64 can tell: below derivatives of 1e-8 a step changes them by less than rounding."""
    return solve(x, y, k, l2, tolerance=1e-8, iterations=3000, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("l2", [100.0, 1.0, 0.1])
def test_it_finds_what_scikit_learn_finds(l2: float) -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = problem()
    ours = exact(x, y, 4, l2, components=components(x))
    theirs = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=100_000).fit(x.numpy(), y.numpy())
    assert ours.converged
    assert ours.gradient < 1e-7
    np.testing.assert_allclose(ours.weight.numpy(), theirs.coef_, atol=2e-5 * np.abs(theirs.coef_).max())
    np.testing.assert_allclose(centred(ours.bias).numpy(), theirs.intercept_ - theirs.intercept_.mean(), atol=1e-4)


def test_the_preconditioner_changes_the_way_not_the_end() -> None:
    x, y = problem()
    plain, helped = exact(x, y, 4, 1.0), exact(x, y, 4, 1.0, components=components(x))
    np.testing.assert_allclose(helped.weight, plain.weight, atol=1e-5)
    assert helped.iterations < plain.iterations
    again = solve(x, y, 4, 1.0, components=components(x), start=helped, tolerance=1e-7)
    assert again.iterations == 0 and again.converged
    np.testing.assert_allclose(again.weight, helped.weight, atol=1e-6)


def test_parts_fitted_together_are_as_if_each_was_fitted_alone() -> None:
    x, y = problem()
    parts = torch.ones(3, len(x), dtype=torch.bool)
    parts[0, ::4], parts[1, 1::2] = False, False
    together = exact(x, y, 4, 3.0, parts=parts, components=components(x))
    assert together.converged
    assert together.weight.shape == (3, 4, 20) and together.bias.shape == (3, 4)
    for part, weight, bias in zip(parts, together.weight, together.bias, strict=True):
        alone = exact(x[part], y[part], 4, 3.0, components=components(x))
        np.testing.assert_allclose(weight, alone.weight, atol=1e-5)
        np.testing.assert_allclose(centred(bias), centred(alone.bias), atol=1e-5)
    again = solve(x, y, 4, 3.0, parts=parts, components=components(x), start=together, tolerance=1e-7)
    assert again.iterations == 0
    with pool():  # one thread: more than 512 samples are added up in pieces
        x, y = problem(n=1300)
        whole = exact(x, y, 4, 3.0, parts=torch.ones(1, len(x), dtype=torch.bool))
        np.testing.assert_allclose(whole.weight[0], exact(x, y, 4, 3.0).weight, atol=1e-6)


def test_without_features_the_probabilities_are_the_class_frequencies() -> None:
    y = torch.tensor([0] * 5 + [1] * 3 + [2] * 2)
    found = exact(torch.zeros(10, 2, dtype=torch.float64), y, 3, 1.0)
    torch.testing.assert_close(
        found.bias.softmax(0), torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), atol=1e-7, rtol=0
    )
    assert found.loss == pytest.approx(-(0.5 * np.log(0.5) + 0.3 * np.log(0.3) + 0.2 * np.log(0.2)))


def test_a_strong_penalty_leaves_one_gradient_step_from_zero() -> None:
    x, y = problem()
    onehot = torch.eye(4, dtype=torch.float64)[y]
    l2 = 1e8
    first = (onehot - onehot.mean(0)).T @ x / l2  # [K, D]: minus the gradient at W = 0 with fitted biases, over l2
    np.testing.assert_allclose(exact(x, y, 4, l2).weight, first, rtol=1e-3, atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 20), st.integers(1, 6), st.integers(20, 1200), st.integers(0, 100))
def test_the_reported_gradient_and_loss_are_those_of_the_objective(k: int, d: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = torch.from_numpy(rng.normal(size=(n, d))), torch.from_numpy(rng.integers(0, k, n))
    found = solve(x, y, k, 2.0, components=components(x), tolerance=1e-3, iterations=3)  # stopped on the way
    weight, bias = found.weight.clone().requires_grad_(), found.bias.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(x @ weight.T + bias, y) + 2.0 / (2 * n) * weight.square().sum()
    loss.backward()
    assert weight.grad is not None
    assert bias.grad is not None
    assert found.loss == pytest.approx(float(loss.detach()))
    assert found.gradient == pytest.approx(max(float(weight.grad.abs().max()), float(bias.grad.abs().max())), abs=1e-9)


def test_single_precision_comes_close_and_says_when_it_did_not_converge() -> None:
    x, y = problem()
    double, single = (
        exact(x, y, 4, 1.0, components=components(x)),
        solve(x.float(), y, 4, 1.0, components=components(x), tolerance=1e-4),
    )
    assert single.converged
    assert single.loss == pytest.approx(double.loss, rel=1e-3)
    cut = solve(x, y, 4, 1.0, tolerance=1e-9, iterations=2)
    assert not cut.converged
    assert cut.iterations == 2
    assert cut.gradient > 1e-9


def test_threads_are_given_back_and_do_not_change_the_result() -> None:
    x, y = problem(3000)
    count = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        two = solve(x, y, 4, 1.0, components=components(x))
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        one = solve(x, y, 4, 1.0, components=components(x))
        assert torch.equal(one.weight, two.weight)
        with pool() as outer, pool() as inner:
            assert inner is outer
    finally:
        torch.set_num_threads(count)
