"""The map's arithmetic against scikit-learn and naive loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from selftaught.report.map import has_tsne, neighbours, pca, tsne, vote
from selftaught.report.scatter import fit_square


@pytest.mark.parametrize("shape", [(200, 30), (40, 90), (300, 2), (5, 5)])
def test_pca_is_scikit_learns(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(1).normal(size=shape) * np.linspace(3, 1, shape[1])
    dims = min(2, *shape)
    np.testing.assert_allclose(pca(x, dims), PCA(dims, svd_solver="full").fit_transform(x), atol=1e-8)


def test_pca_of_few_dimensions_is_padded_and_of_constants_is_zero() -> None:
    line = pca(np.arange(6.0)[:, None])
    assert line.shape == (6, 2)
    np.testing.assert_allclose(line[:, 0], np.arange(6) - 2.5)
    assert not line[:, 1].any()
    assert not pca(np.ones((10, 4))).any()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_are_those_of_a_naive_loop(metric: str) -> None:
    x = np.random.default_rng(2).normal(size=(600, 7))  # more than one block of rows
    index, value = neighbours(x, 5, metric)
    for i in (0, 1, 300, 511, 512, 599):
        if metric == "cosine":
            unit = x / np.linalg.norm(x, axis=1, keepdims=True)
            score = [-np.inf if j == i else unit[i] @ unit[j] for j in range(600)]
        else:
            score = [-np.inf if j == i else -np.linalg.norm(x[i] - x[j]) for j in range(600)]
        expected = sorted(range(600), key=lambda j: -score[j])[:5]
        assert index[i].tolist() == expected
        sign = 1 if metric == "cosine" else -1  # cosines, but distances
        np.testing.assert_allclose(value[i], [sign * score[j] for j in expected])


def test_neighbours_never_hold_the_row_itself_even_among_copies() -> None:
    index, _ = neighbours(np.ones((6, 3)), 9)
    assert index.shape == (6, 5)
    assert index.tolist() == [[j for j in range(6) if j != i] for i in range(6)]


def test_vote_counts_majorities_and_the_nearest_breaks_ties() -> None:
    labels = np.array([0, 0, 1, 1])
    near = np.array([[1, 2], [2, 0], [3, 0], [0, 1]])  # tie, nearest right; tie, nearest wrong; tie, right; both wrong
    assert vote(labels, near) == 50.0


@pytest.mark.skipif(not has_tsne(), reason="openTSNE, the extra [map], is not installed")
def test_tsne_keeps_clusters_together_and_repeats() -> None:
    random = np.random.default_rng(3)
    centres, labels = random.normal(size=(4, 20)) * 6, np.arange(120) % 4
    x = centres[labels] + random.normal(size=(120, 20))
    xy = tsne(x)
    assert vote(labels, neighbours(xy, 5, "euclidean")[0]) == 100
    np.testing.assert_array_equal(xy, tsne(x))


def test_fit_square_keeps_the_shape() -> None:
    xy = fit_square(np.array([[0.0, 0.0], [4.0, 1.0], [2.0, 2.0]])).astype(float)
    assert xy.min() == 0
    assert xy.max() == 65535
    np.testing.assert_allclose(xy[1] - xy[0], [65535, 65535 / 4], atol=1)
    assert fit_square(np.zeros((3, 2))).shape == (3, 2)
