from __future__ import annotations

import torch
from torch import nn

from selftaught.parts.heads import projection
from selftaught.parts.norm import BatchNorm1d


def test_depth_counts_linear_layers() -> None:
    for depth in range(4):
        head = projection(6, 5, 4, depth)
        assert sum(isinstance(m, nn.Linear) for m in head) == depth
        assert sum(isinstance(m, BatchNorm1d) for m in head) == depth
        assert sum(isinstance(m, nn.ReLU) for m in head) == max(depth - 1, 0)
        assert head(torch.randn(3, 6)).shape == (3, 4 if depth else 6)


def test_depth_zero_is_the_identity() -> None:
    x = torch.randn(3, 6)
    assert torch.equal(projection(6, 5, 4, 0)(x), x)


def test_without_norm_it_is_a_multilayer_perceptron() -> None:
    head = projection(6, 5, 4, 2, norm=False)
    x = torch.randn(3, 6)
    (w1, b1), (w2, b2) = ((m.weight, m.bias) for m in head if isinstance(m, nn.Linear))
    assert torch.allclose(head(x), (x @ w1.T + b1).clamp(min=0) @ w2.T + b2, atol=1e-6)
    assert (w1.shape, w2.shape) == ((5, 6), (4, 5))


def test_with_norm_every_layer_is_standardised_over_the_batch() -> None:
    out = projection(6, 5, 4, 2)(torch.randn(64, 6) * 3 + 1)
    assert torch.allclose(out.mean(0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(out.var(0, correction=0), torch.ones(4), atol=1e-3)


def test_the_last_norm_can_be_without_parameters_or_missing() -> None:
    x = torch.randn(64, 6) * 3 + 1
    kinds = {last: [type(m).__name__ for m in projection(6, 5, 4, 2, last=last)] for last in ("norm", "fixed", "none")}
    assert kinds["norm"] == kinds["fixed"] == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    assert kinds["none"] == kinds["norm"][:-1]
    plain, fixed = projection(6, 5, 4, 2, last="none"), projection(6, 5, 4, 2, last="fixed")
    assert [m.bias for m in plain if isinstance(m, nn.Linear)] == [None, None]
    assert [m.affine for m in fixed if isinstance(m, BatchNorm1d)] == [True, False]
    assert fixed(x).var(0, correction=0).allclose(torch.ones(4), atol=1e-3)
