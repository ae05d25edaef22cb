from __future__ import annotations

import pytest
import torch
from torch import nn

from selftaught.parts.momentum import follow, momentum_copy, rising
from selftaught.parts.norm import BatchNorm1d


def pair() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    fast = nn.Sequential(nn.Linear(3, 4), BatchNorm1d(4))
    slow = momentum_copy(fast)
    return slow, fast


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.999, 1.0])
def test_follows_by_the_formula(momentum: float) -> None:
    slow, fast = pair()
    expected = [p.detach().double() for p in slow.parameters()]
    for step in range(5):
        with torch.no_grad():
            for p in fast.parameters():
                p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(step)))
        expected = [
            momentum * e + (1 - momentum) * p.detach().double()
            for e, p in zip(expected, fast.parameters(), strict=True)
        ]
        follow(slow, fast, momentum)
    for p, e in zip(slow.parameters(), expected, strict=True):
        assert torch.allclose(p.double(), e, atol=1e-6, rtol=0)


def test_momentum_one_never_changes_a_bit() -> None:
    slow, fast = pair()
    before = [p.clone() for p in slow.parameters()]
    with torch.no_grad():
        for p in fast.parameters():
            p.add_(1)
    follow(slow, fast, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, slow.parameters(), strict=True))


def test_the_copy_is_separate_and_wants_no_gradient() -> None:
    slow, fast = pair()
    assert not any(p.requires_grad for p in slow.parameters())
    assert all(p.requires_grad for p in fast.parameters())
    assert not {p.data_ptr() for p in slow.parameters()} & {p.data_ptr() for p in fast.parameters()}


def test_running_statistics_are_the_copys_own() -> None:
    slow, fast = pair()
    fast(torch.randn(8, 3) + 5)
    slow(torch.randn(8, 3) - 5)
    own = slow[1].running_mean.clone()
    follow(slow, fast, 0.0)
    assert torch.equal(slow[1].running_mean, own)
    assert not torch.allclose(own, fast[1].running_mean)


def test_a_rising_momentum_ends_at_one_and_is_half_way_in_the_middle() -> None:
    assert [rising(0.9, part) for part in (0.0, 0.5, 1.0)] == pytest.approx([0.9, 0.95, 1.0])
    values = [rising(0.99, i / 50) for i in range(51)]
    assert values == sorted(values)
    assert rising(1.0, 0.3) == 1.0
