from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.encoders.wave_transformer import WaveTransformer
from selftaught.errors import UserError


def made(length: int = 48, **arguments: Any) -> WaveTransformer:
    torch.manual_seed(0)
    seen = {"kind": "signal", "channels": 2, "length": length, "mean": [0.0] * 2, "std": [1.0] * 2}
    found = encoders.build("wave_transformer", seen, **({"width": 12, "depth": 2, "heads": 2, "reach": 1} | arguments))
    assert isinstance(found, WaveTransformer)
    return found.eval()


@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("length", [19, 24, 33])
def test_padding_changes_no_feature(pool: str, length: int) -> None:
    encoder = made(pool=pool)
    x = torch.randn(3, 2, length)
    padded, mask = F.pad(x, (0, 48 - length)), (torch.arange(48) < length).expand(3, 48)
    noise = padded + ~mask[:, None] * 0.0
    assert torch.allclose(encoder(noise, mask=mask), encoder(x), atol=1e-5)
    assert torch.allclose(encoder(padded, mask=mask), encoder(x, mask=torch.ones(3, length) > 0), atol=1e-5)
    for got, alone in zip(encoder.layers(padded, mask=mask), encoder.layers(x), strict=True):
        assert torch.allclose(got[:, :, : alone.shape[2]], alone, atol=1e-5)
        assert (got[:, :, alone.shape[2] :] == 0).all()


def test_positions_see_each_other_and_know_where_they_are() -> None:
    encoder = made(80)
    x = torch.randn(1, 2, 80, requires_grad=True)
    features = encoder.layers(x)
    assert [f.shape for f in features] == [(1, 12, 10)] * 3 and encoder.grid == (10,) and encoder.dim == 12
    (slope,) = torch.autograd.grad(features[-1][0, :, 0].square().sum(), x)
    assert slope[0].abs().sum(0)[:76].min() > 0  # the last kernel may end before the last sample
    turned = torch.cat([x[:, :, 40:], x[:, :, :40]], 2)
    assert not torch.allclose(encoder(turned), encoder(x), atol=1e-3)
    with torch.no_grad():
        encoder.place.weight.zero_()
    same = encoder.layers(torch.ones(1, 2, 80))[-1][0, :, 2:-2]
    assert torch.allclose(same, same[:, :1].expand_as(same), atol=1e-5)  # without it they could not be told apart


def test_hidden_positions_read_the_token() -> None:
    encoder = made(80)
    x, hide = torch.randn(2, 2, 80), torch.zeros(2, 10, dtype=torch.bool)
    nothing, there = encoder.masked(x, hide, torch.ones(12), None)
    assert torch.allclose(nothing, encoder.layers(x)[-1].transpose(1, 2), atol=1e-6) and there.all()
    hide[:] = True
    blind = encoder.masked(x, hide, torch.arange(12.0), None)[0]
    assert torch.allclose(blind[0], blind[1], atol=1e-6)  # where all is hidden, all samples are alike
    mask = torch.arange(80) < torch.tensor([[80], [40]])
    _, there = encoder.masked(x, hide, torch.ones(12), mask)
    assert there.sum(1).tolist() == [10, 5]


def test_it_is_rebuilt_from_its_spec() -> None:
    encoder = made(48, kernels=(4, 3), strides=(2, 2), pool="max", dropout=0.1)
    again = encoders.build(**encoder.spec)
    assert again.spec == encoder.spec and encoder.codes.stride == 4
    again.load_state_dict(encoder.state_dict())


@pytest.mark.parametrize(
    "arguments", [{"width": 13}, {"depth": 0}, {"reach": 0}, {"pool": "flatten"}, {"dropout": 1.0}, {"strides": (9, 2)}]
)
def test_values_out_of_range_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="wave"):
        made(**arguments)
