from __future__ import annotations

import torch
from torch import Tensor, nn

from selftaught.parts.multi_crop import by_size
from selftaught.parts.norm import BatchNorm1d, BatchNorm2d, set_groups


def test_every_view_gets_what_it_would_get_alone_with_one_call_for_each_size() -> None:
    calls: list[tuple[int, ...]] = []

    def network(x: Tensor) -> Tensor:
        calls.append(tuple(x.shape))
        return torch.stack([x.mean((1, 2, 3)), x.amax((1, 2, 3))], 1)

    heads: list[tuple[int, ...]] = []

    def head(x: Tensor) -> Tensor:
        heads.append(tuple(x.shape))
        return 2 * x

    views = [torch.randn(3, 2, side, side) for side in (8, 5, 8, 5, 5, 2)]
    found = by_size(network, head, views)
    assert calls == [(6, 2, 8, 8), (9, 2, 5, 5), (3, 2, 2, 2)] and heads == [(18, 2)]
    for view, z in zip(views, found, strict=True):
        assert torch.allclose(z, 2 * network(view))


def test_views_of_a_sample_share_a_batch_norm_group() -> None:
    norm = BatchNorm2d(2)
    views = [torch.randn(4, 2, 3, 3) + v for v in range(2)]
    set_groups(norm, 2)
    whole = by_size(lambda x: norm(x).flatten(1), nn.Identity(), views)
    set_groups(norm, 1)
    for half in (slice(0, 2), slice(2, 4)):
        part = by_size(lambda x: norm(x).flatten(1), nn.Identity(), [view[half] for view in views])
        assert all(torch.allclose(a[half], b, atol=1e-5) for a, b in zip(whole, part, strict=True))


def test_a_heads_batch_norm_sees_all_sizes_together_in_groups_of_samples() -> None:
    norm, views = BatchNorm1d(2), [torch.randn(4, 2, side, side) + side for side in (8, 8, 3)]
    features = torch.stack([view.mean((2, 3)) for view in views], 1)  # [4, 3, 2]
    for groups in (1, 2):
        set_groups(norm, groups)
        found = torch.stack(by_size(lambda x: x.mean((2, 3)), norm, views), 1)
        for part, of in zip(found.chunk(groups), features.chunk(groups), strict=True):
            expected = (of - of.mean((0, 1))) / (of.var((0, 1), correction=0) + norm.eps).sqrt()
            torch.testing.assert_close(part, expected, atol=1e-4, rtol=1e-4)
