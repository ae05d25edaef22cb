from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.evaluate import fit_linear, linear_probe
from selftaught.evaluate.linear import Standard, _lowest, _row_space, _sides
from selftaught.evaluate.logistic import solve

Data = tuple[NDArray[np.float32], NDArray[np.int64]]


def blobs(n: int, classes: int = 4, d: int = 12, seed: int = 0, distance: float = 1.0) -> Data:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    centres = distance * np.random.default_rng(7).normal(size=(classes, d))
    return (centres[y] + rng.normal(size=(n, d))).astype(np.float32), y


def test_labels_as_features_are_read_without_error_and_noise_is_not_read_at_all() -> None:
    y, truth = np.arange(600) % 5, np.arange(400) % 5
    told = np.eye(5, dtype=np.float32)
    assert linear_probe(told[y], y, told[truth], truth).accuracy == 100.0
    rng = np.random.default_rng(0)
    noise = linear_probe(
        rng.normal(size=(600, 8)).astype(np.float32), y, rng.normal(size=(400, 8)).astype(np.float32), truth
    )
    assert abs(noise.accuracy - 20) < 3 * 100 * np.sqrt(0.2 * 0.8 / 400)
    assert noise.l2 > 100  # what is noise is best not believed


def test_it_agrees_with_closed_form_ridge_within_a_point() -> None:
    (x, y), (test, truth) = blobs(3000), blobs(3000, seed=1)
    design = np.c_[x, np.ones(len(x))]
    ridge = np.linalg.solve(design.T @ design + np.eye(13), design.T @ np.eye(4)[y])
    closed = 100 * np.mean((np.c_[test, np.ones(len(test))] @ ridge).argmax(1) == truth)
    assert abs(linear_probe(x, y, test, truth).accuracy - closed) < 1.0


def test_scale_and_shift_of_features_change_nothing() -> None:
    (x, y), (test, _) = blobs(500), blobs(300, seed=1)
    plain, scaled, shifted = fit_linear(x, y), fit_linear(10 * x, y), fit_linear(x + 100, y)
    for other, z in ((scaled, 10 * test), (shifted, test + 100)):
        np.testing.assert_allclose(other.standard(z), plain.standard(test), atol=1e-3)
        assert other.l2 == pytest.approx(plain.l2, rel=0.1)
        assert np.mean(other.predict(z) == plain.predict(test)) > 0.99


def test_a_constant_feature_is_harmless_even_where_the_test_samples_differ() -> None:
    (x, y), (test, truth) = blobs(400), blobs(200, seed=1)
    constant = np.full((400, 1), 0.1, np.float32)
    with_it = linear_probe(np.c_[x, constant], y, np.c_[test, np.full((200, 1), 1e6, np.float32)], truth)
    assert with_it.accuracy == pytest.approx(linear_probe(x, y, test, truth).accuracy, abs=0.5)


def test_standardising_matches_numpy_and_survives_a_large_mean() -> None:
    x = (np.random.default_rng(0).normal(size=(20_000, 3)) * [1, 1e-3, 5] + [0, 1e3, -7]).astype(np.float32)
    standard = Standard(x)
    np.testing.assert_allclose(standard.mean, x.mean(0, dtype=np.float64), rtol=1e-6, atol=1e-6)
    z = standard(x)
    np.testing.assert_allclose(z.std(0)[[0, 2]], 1, atol=1e-4)
    own = x.copy()
    assert standard(own, out=own) is own
    np.testing.assert_array_equal(own, z)
    np.testing.assert_array_equal(standard(x.astype(np.float16))[:5].dtype, np.float32)


def test_the_same_seed_gives_the_same_bits() -> None:
    x, y = blobs(300)
    one, two = fit_linear(x, y, seed=3), fit_linear(x, y, seed=3)
    assert one.l2 == two.l2
    assert one.weight.numpy().tobytes() == two.weight.numpy().tobytes()
    assert fit_linear(x, y, seed=4).l2 != one.l2  # another split chooses another weight


def test_fewer_samples_than_features_is_the_same_problem_in_fewer_directions() -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = blobs(60, d=200)
    z, components, basis = _row_space(torch.from_numpy(x).double())
    assert z.shape == (60, 60)
    np.testing.assert_allclose(z @ basis, x, atol=1e-5)
    np.testing.assert_allclose(basis @ basis.T, np.eye(60), atol=1e-6)
    np.testing.assert_allclose(z.T @ z / 60, np.diag(components.values), atol=1e-9)
    small = solve(z, torch.from_numpy(y), 4, 5.0, components=components, tolerance=1e-8, iterations=2000)
    theirs = LogisticRegression(C=1 / 5, tol=1e-10, max_iter=10_000).fit(x.astype(np.float64), y)
    np.testing.assert_allclose(small.weight @ basis, theirs.coef_, atol=1e-5)
    fitted = fit_linear(x, y, strengths=(5.0,))
    np.testing.assert_array_equal(fitted.predict(x), theirs.predict(x))


@pytest.mark.parametrize(("n", "loss"), [(200, 0.03), (3000, 0.01)])
def test_the_chosen_penalty_is_near_the_best_for_unseen_samples(n: int, loss: float) -> None:
    (x, y), (test, truth) = blobs(n, d=40, distance=0.4), blobs(5000, d=40, seed=1, distance=0.4)
    chosen = fit_linear(x, y)
    grid = [fit_linear(x, y, strengths=(s,)) for s in (1e3, 1e2, 1e1, 1e-1)]
    accuracies = [np.mean(fitted.predict(test) == truth) for fitted in grid]
    assert np.mean(chosen.predict(test) == truth) > max(accuracies) - loss
    assert chosen.converged
    assert chosen.iterations > 0
    assert chosen.gradient < 1e-2


def test_the_valley_is_found_between_the_weights_that_were_tried() -> None:
    strengths = (1e3, 1e2, 1e1, 1.0)
    valley = [(np.log10(s) - 1.7) ** 2 for s in strengths]
    assert _lowest(strengths, valley) == pytest.approx(10**1.7)
    assert _lowest(strengths, valley[:2]) == 1e2  # the lowest so far is the last that was tried
    assert _lowest(strengths[2:], [1.0, 2.0]) == 1e1


def test_splits_use_every_label_once_and_keep_groups_whole() -> None:
    y, groups = np.arange(100) % 4, np.arange(100) // 5
    folds = _sides(y, 0, None)
    assert len(folds) == 5
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(100))
    for fit, held in _sides(y, 0, groups):
        assert not set(groups[fit]) & set(groups[held])
        assert len(fit) + len(held) == 100
    large = np.arange(60_000) % 10
    ((fit, held),) = _sides(large, 0, None)
    assert len(fit) == len(held) == 10_000
    assert not set(fit) & set(held)
    assert set(large[fit]) == set(large[held]) == set(range(10))
    assert _sides(np.array([0, 1]), 0, None) == []


def test_one_label_a_class_is_enough() -> None:
    x, y = blobs(400, distance=3)
    first = [int(np.flatnonzero(y == c)[0]) for c in range(4)]
    fitted = fit_linear(x[first], y[first])
    assert fitted.predict(x[first]).tolist() == y[first].tolist()


def test_top5_is_there_when_it_means_something() -> None:
    (x, y), (test, truth) = blobs(500, classes=8, distance=0.5), blobs(300, classes=8, seed=1, distance=0.5)
    found = linear_probe(x, y, test, truth)
    assert found.top5 is not None
    assert 100 >= found.top5 > found.accuracy
    assert linear_probe(*blobs(100), *blobs(50)).top5 is None


def test_bad_input_is_answered_in_a_sentence() -> None:
    x, y = blobs(20)
    with pytest.raises(UserError, match="as many labels as features"):
        fit_linear(x, y[:-1])
    with pytest.raises(UserError, match="two classes"):
        fit_linear(x, np.zeros(20, np.int64))
    with pytest.raises(UserError, match="two classes"):
        fit_linear(x, np.full(20, -1))


@pytest.mark.parametrize("n", [4, 60])
def test_features_that_are_all_alike_say_how_often_each_class_occurs(n: int) -> None:
    """As those of a collapsed encoder are."""
    y = np.arange(n) % 2 * (np.arange(n) % 4 > 1)
    fitted = fit_linear(np.ones((n, 8), np.float32), y)
    assert fitted.predict(np.ones((5, 8), np.float32)).tolist() == [0] * 5


def test_certain_and_correlated_classes_do_not_stop_the_fit() -> None:
    """One direction has nearly all of the variance and tells classes apart without doubt."""
    rng = np.random.default_rng(0)
    y = np.arange(3000) % 40
    x = (30 * y[:, None] + rng.normal(size=(3000, 300)) * np.arange(1, 301) ** -2.0).astype(np.float32)
    fitted = fit_linear(x, y, strengths=(1e-3,))
    assert fitted.converged
    assert np.mean(fitted.predict(x) == y) > 0.1


def test_few_labels_of_classes_that_part_are_fitted_to_the_end() -> None:
    """With next to no penalty the weights are large: stopped early, some of the rare classes are not there yet."""
    rng = np.random.default_rng(0)
    y = np.concatenate([np.arange(10), np.zeros(40, np.int64)])
    centres = np.random.default_rng(1).normal(size=(10, 300)) * np.arange(1, 301) ** -0.4
    asked = np.arange(500) % 10
    x, z = ((centres[c] + 1.5 * rng.normal(size=(len(c), 300)) * np.arange(1, 301) ** -0.8) for c in (y, asked))
    quick = fit_linear(x.astype(np.float32), y, strengths=(1e-3,)).predict(z.astype(np.float32))
    standard = Standard(x.astype(np.float32))
    data, target = torch.from_numpy(standard(x.astype(np.float32))).double(), torch.from_numpy(y)
    end = solve(data, target, 10, 1e-3, components=standard.components, tolerance=1e-6, iterations=2000)
    exact = (standard(z.astype(np.float32)) @ end.weight.float().numpy().T + end.bias.float().numpy()).argmax(1)
    assert np.mean(quick == exact) > 0.97
