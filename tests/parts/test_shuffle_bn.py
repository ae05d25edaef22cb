from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from selftaught.parts.norm import BatchNorm2d, set_groups
from selftaught.parts.shuffle_bn import permutation, shuffled


def test_unshuffling_undoes_shuffling() -> None:
    x = torch.randn(37, 5)
    seen: list[torch.Tensor] = []

    def network(rows: torch.Tensor) -> torch.Tensor:
        seen.append(rows)
        return 2 * rows

    assert torch.equal(shuffled(network, x, 0, 3), 2 * x)
    assert not torch.equal(seen[0], x)
    assert torch.equal(seen[0].sort(0).values, x.sort(0).values)  # a permutation, nothing lost


def test_the_order_is_a_function_of_seed_and_step() -> None:
    orders = [permutation(50, seed, step) for seed in (0, 1) for step in (0, 1)]
    assert np.array_equal(orders[0], permutation(50, 0, 0))
    assert all(sorted(o) == list(range(50)) for o in orders)
    assert len({tuple(o) for o in orders}) == 4


def test_no_gradient_flows() -> None:
    assert not shuffled(nn.Linear(3, 2), torch.randn(4, 3, requires_grad=True), 0, 0).requires_grad


def told_apart(shuffle: bool) -> float:
    """How often a query's group is told from its features alone, when the content is the same image in every group."""
    torch.manual_seed(0)
    groups, size, hits, rounds = 8, 8, 0, 12
    first, second = nn.Conv2d(1, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
    network = nn.Sequential(first, BatchNorm2d(16), nn.ReLU(), second, BatchNorm2d(32), nn.Flatten())
    set_groups(network, groups)
    for step in range(rounds):
        query = torch.randn(groups, size, 1, 8, 8)
        query[:, 0] = torch.randn(1, 8, 8)  # the one image that every group holds
        key = query + 0.1 * torch.randn_like(query)
        key[:, 0] = query[:, 0]
        with torch.no_grad():
            q = network(query.flatten(0, 1))
            k = shuffled(network, key.flatten(0, 1), 0, step) if shuffle else network(key.flatten(0, 1))
        q, k = (
            F.normalize(f.view(groups, size, -1)[:, 0] - f.view(groups, size, -1)[:, 0].mean(0), dim=1) for f in (q, k)
        )
        hits += int(((q @ k.T).argmax(1) == torch.arange(groups)).sum())
    return hits / (groups * rounds)


def test_batch_statistics_tell_the_group_and_shuffling_hides_it() -> None:
    assert told_apart(shuffle=False) > 0.9
    assert told_apart(shuffle=True) < 0.3  # chance is 1/8, give or take 0.034
