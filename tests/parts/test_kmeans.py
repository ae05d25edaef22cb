from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from selftaught.errors import UserError
from selftaught.parts.kmeans import CHUNK, filled, kmeans, nearest


def rows(n: int = 120, d: int = 3, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def inertia(x: Tensor, labels: Tensor, centres: Tensor) -> float:
    return float((x - centres[labels]).square().sum())


def test_every_row_is_with_its_nearest_centre_and_every_centre_amid_its_rows() -> None:
    x = rows()
    labels, centres = kmeans(x, 5, 200, 0)
    assert torch.equal(labels, torch.cdist(x, centres).argmin(1))
    for c in range(5):
        assert torch.allclose(centres[c], x[labels == c].mean(0), atol=1e-5)


def test_it_ends_where_scikit_learn_ends_from_the_same_start() -> None:
    x = rows()
    start = x[torch.from_numpy(np.random.default_rng([4, 0x33EA]).choice(120, 6, replace=False))]
    labels, centres = kmeans(x, 6, 300, 4)
    theirs = KMeans(6, init=start.numpy(), n_init=1, max_iter=300, tol=0, algorithm="lloyd").fit(x.numpy())
    assert np.array_equal(labels.numpy(), theirs.labels_)
    assert np.allclose(centres.numpy(), theirs.cluster_centers_, atol=1e-5)


def test_groups_that_lie_apart_are_found() -> None:
    truth = torch.arange(4).repeat_interleave(30)
    x = 20 * torch.eye(4)[truth] + rows(120, 4)
    labels = min((kmeans(x, 4, 50, seed) for seed in range(6)), key=lambda found: inertia(x, *found))[0]
    assert all(len(labels[truth == c].unique()) == 1 for c in range(4)) and len(labels.unique()) == 4


def test_more_iterations_are_never_worse() -> None:
    x = rows()
    costs = [inertia(x, *kmeans(x, 7, iterations, 1)) for iterations in (1, 2, 4, 8, 50)]
    assert costs == sorted(costs, reverse=True) and costs[0] > costs[-1]


def test_the_seed_alone_decides_the_start() -> None:
    x = rows()
    one = kmeans(x, 8, 3, 0, 5)
    torch.manual_seed(99)
    assert all(torch.equal(a, b) for a, b in zip(one, kmeans(x, 8, 3, 0, 5), strict=True))
    assert not torch.equal(one[0], kmeans(x, 8, 3, 0, 6)[0])
    assert not torch.equal(one[0], kmeans(x, 8, 3, 1, 5)[0])


def test_no_cluster_stays_empty_while_rows_differ() -> None:
    # most starts fall on equal rows, of which one centre keeps all
    x = torch.cat([torch.zeros(50, 2), rows(10, 2) + 30])
    labels, _ = kmeans(x, 6, 50, 0)
    assert len(labels.unique()) == 6


def test_equal_rows_and_one_cluster_each_are_no_trouble() -> None:
    labels, centres = kmeans(torch.ones(9, 2), 3, 5, 0)
    assert torch.equal(centres[labels], torch.ones(9, 2))
    x = rows(7)
    assert torch.equal(kmeans(x, 7, 5, 0)[0].sort().values, torch.arange(7))
    assert torch.allclose(kmeans(x, 1, 5, 0)[1], x.mean(0, keepdim=True), atol=1e-6)


def test_nearest_is_brute_force_over_any_number_of_chunks() -> None:
    x, centres = rows(CHUNK + 5, 2), rows(4, 2, seed=1)
    labels, distance = nearest(x, centres)
    table = torch.cdist(x, centres).square()
    assert torch.equal(labels, table.argmin(1))
    assert torch.allclose(distance, table.amin(1), atol=1e-4)


@pytest.mark.parametrize("clusters", [0, 121])
def test_impossible_numbers_are_refused(clusters: int) -> None:
    with pytest.raises(UserError, match=f"120 rows cannot form {clusters} clusters: use 1 to 120"):
        kmeans(rows(), clusters, 5, 0)


def test_no_cluster_is_returned_empty_even_if_rows_repeat() -> None:
    x = torch.tensor([[0.0], [0.0], [0.0], [0.0], [1.0], [1.0], [5.0]])
    for seed in range(8):
        labels, centres = kmeans(x, 5, 4, seed)
        assert labels.bincount(minlength=5).min() == 1 and centres.isfinite().all()
    labels, centres = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([[0.0], [9.0], [50.0], [60.0]])
    x = torch.tensor([[0.0], [2.0], [1.0], [9.0], [9.0]])
    found = filled(x, labels, (x - centres[labels]).square()[:, 0], centres)
    assert found.tolist() == [0, 2, 3, 1, 1]  # the farthest rows, but the last of no cluster
    assert centres[:, 0].tolist() == [0, 9, 2, 1]
