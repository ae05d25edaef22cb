from __future__ import annotations

import pytest
import torch
from torch import nn

from selftaught.errors import UserError
from selftaught.parts.layers import norm2d, pooled, pooled_width, shape_of
from selftaught.parts.norm import BatchNorm2d


@pytest.mark.parametrize("kind", ["layer", "group"])
def test_layer_and_group_norm_look_at_one_sample(kind: str) -> None:
    norm = norm2d(kind, 32)
    x = torch.randn(4, 32, 5, 5)
    other = torch.cat([x[:1], torch.randn(3, 32, 5, 5) * 9])
    assert torch.allclose(norm(x)[0], norm(other)[0], atol=1e-6)


def test_batch_norm_looks_at_the_batch() -> None:
    norm = norm2d("batch", 32)
    x = torch.randn(4, 32, 5, 5)
    other = torch.cat([x[:1], torch.randn(3, 32, 5, 5) * 9])
    assert not torch.allclose(norm(x)[0], norm(other)[0], atol=1e-2)


def test_kinds_are_what_they_are_called() -> None:
    assert isinstance(norm2d("batch", 48), BatchNorm2d)
    assert [norm2d("layer", c).num_groups for c in (8, 64, 48)] == [1, 1, 1]
    assert [norm2d("group", c).num_groups for c in (8, 64, 48, 40)] == [1, 4, 3, 2]
    x = torch.randn(2, 48, 3, 3)
    assert torch.equal(norm2d("none", 48)(x), x)
    expected = (x - x.mean((1, 2, 3), keepdim=True)) / (x.var((1, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(norm2d("layer", 48)(x), expected, atol=1e-5)


def test_flatten_brings_other_sizes_to_the_same_positions() -> None:
    x = torch.randn(2, 3, 2, 2)
    assert torch.equal(pooled("flatten", x, 2), x.flatten(1))
    assert torch.equal(pooled("flatten", x, 4), x.repeat_interleave(2, 2).repeat_interleave(2, 3).flatten(1))
    y = torch.randn(2, 3, 4, 6)
    assert torch.allclose(
        pooled("flatten", y, 2), y.unflatten(3, (2, 3)).unflatten(2, (2, 2)).mean((3, 5)).flatten(1), atol=1e-6
    )
    assert torch.equal(pooled("flatten", y), y.flatten(1))
    assert torch.equal(pooled("max", y, 2), y.amax((2, 3)))


def test_pools() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.allclose(pooled("mean", x), x.mean((2, 3)))
    assert torch.equal(pooled("max", x), x.amax((2, 3)))
    assert torch.equal(pooled("flatten", x), x.reshape(2, -1))
    for kind in ("mean", "max", "flatten"):
        assert pooled(kind, x).shape[1] == pooled_width(kind, 3, 20)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UserError, match="norm must be one of batch, layer, group, none, not 'bacth'"):
        norm2d("bacth", 3)
    with pytest.raises(UserError, match="pool must be one of mean, max, flatten, not 'average'"):
        pooled_width("average", 3, 1)


def test_asking_for_a_shape_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), BatchNorm2d(4))
    before = {k: v.clone() for k, v in network.state_dict().items()}
    assert shape_of(network, network, {"channels": 3, "size": 9}) == (4, 4, 4)
    assert network.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert shape_of(network.eval(), network, {"channels": 3, "size": 9}) == (4, 4, 4)
    assert not network.training
