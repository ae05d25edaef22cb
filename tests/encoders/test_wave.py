from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from selftaught import encoders
from selftaught.encoders.wave import Wave, unmixed
from selftaught.errors import UserError

SOUND: dict[str, Any] = {"kernels": (10, 8, 4, 4, 4), "strides": (5, 4, 2, 2, 2), "pad": False, "norm": "none"}
FORMS = ({}, {"pad": False}, {"context": 5}, {"norm": "channel"}, {"pool": "max"}, {"context": 5, "pad": False})


def made(length: int = 48, channels: int = 2, **arguments: Any) -> Wave:
    torch.manual_seed(0)
    seen = {"kind": "signal", "channels": channels, "length": length, "mean": [0.0] * channels, "std": [1.0] * channels}
    found = encoders.build("wave", seen, **({"width": 6} | arguments))
    assert isinstance(found, Wave)
    return found.eval()


def read(encoder: Wave, length: int, position: int) -> Tensor:
    """Which samples the code at a position depends on."""
    x = torch.randn(1, encoder.spec["input"]["channels"], length, requires_grad=True)
    code = encoder.encode(x)[-1]
    (slope,) = torch.autograd.grad(code[0, :, position].sum(), x)
    return slope[0].abs().sum(0).nonzero().flatten()


def test_the_network_for_sound_sees_465_samples_every_160() -> None:
    encoder = made(20480, 1, width=64, **SOUND)
    assert (encoder.receptive_field, encoder.stride) == (465, 160)
    for length in (465, 624, 625, 16000, 20480):
        positions = (length - 465) // 160 + 1
        assert encoder.count(length) == positions == encoder.encode(torch.zeros(1, 1, length))[-1].shape[2]


def test_for_sound_it_is_that_network_with_padding() -> None:
    heard = {"kind": "audio", "channels": 1, "rate": 8000, "length": 8000, "full": 32768, "mean": [0.0], "std": [0.1]}
    encoder = encoders.build("wave", heard, width=6).eval()
    assert isinstance(encoder, Wave) and (encoder.receptive_field, encoder.stride) == (465, 160)
    assert (encoder.spec["kernels"], encoder.spec["strides"]) == ([10, 8, 4, 4, 4], [5, 4, 2, 2, 2])
    for length in (160, 161, 8000, 8001):
        assert encoder.encode(torch.zeros(1, 1, length))[-1].shape[2] == -(-length // 160) == encoder.count(length)
    assert encoders.build("wave", heard, width=6, kernels=(4,)).spec["kernels"] == [4]


def test_the_receptive_field_is_what_a_position_reads() -> None:
    encoder = made(2000, 1, width=16, **{**SOUND, "kernels": (6, 4, 3), "strides": (3, 2, 2)})
    assert (encoder.receptive_field, encoder.stride) == (6 + 3 * 3 + 2 * 6, 12)
    for position in (0, 7):
        there = read(encoder, 2000, position)
        first = position * encoder.stride
        assert first <= there.min() and there.max() < first + encoder.receptive_field
        assert there.max() - there.min() >= encoder.receptive_field - 3  # ReLUs may be off at the rim
    default = made(norm="none", width=32)
    assert (default.receptive_field, default.stride) == (17, 8)
    there = read(default, 200, 12)
    assert there.max() - there.min() <= 16


@pytest.mark.parametrize("length", [4, 7, 24, 29, 48, 49, 100])
def test_every_length_has_a_position_for_each_stride(length: int) -> None:
    encoder = made()
    assert (
        encoder.encode(torch.randn(2, 2, length))[-1].shape == (2, 6, -(-length // 8)) == (2, 6, encoder.count(length))
    )
    assert encoder(torch.randn(2, 2, length)).shape == (2, encoder.dim)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("length", [19, 24, 33])
def test_padding_changes_no_feature(form: dict[str, Any], length: int) -> None:
    encoder = made(**form)
    x = torch.randn(3, 2, length)
    padded = torch.nn.functional.pad(x, (0, 48 - length))
    mask = (torch.arange(48) < length).expand(3, 48)
    assert torch.allclose(encoder(padded, mask=mask), encoder(x), atol=1e-5)
    assert torch.allclose(encoder(padded, mask=mask), encoder(x, mask=torch.ones(3, length) > 0), atol=1e-5)
    there = encoder.count(length)
    for got, alone in zip(encoder.layers(padded, mask=mask), encoder.layers(x), strict=True):
        assert torch.allclose(got[:, :, : alone.shape[2]], alone, atol=1e-5)
        assert (got[:, :, alone.shape[2] :] == 0).all()
    assert encoder.layers(padded, mask=mask)[-1].shape[2] > there - 1


def test_the_context_knows_the_past_alone() -> None:
    encoder = made(80, context=7, norm="channel")
    x = torch.randn(1, 2, 80, requires_grad=True)
    contexts = encoder.layers(x)[-1]
    assert contexts.shape == (1, 7, 10) and encoder.dim == 7 and len(encoder.layers(x)) == 4
    (slope,) = torch.autograd.grad(contexts[0, :, 4].sum(), x)
    there = slope[0].abs().sum(0).nonzero().flatten()
    assert there.min() == 0 and there.max() < 4 * 8 + encoder.receptive_field  # and its own window


def test_channel_norm_lets_positions_know_nothing_of_each_other() -> None:
    x = torch.randn(2, 2, 80)
    other = x.clone()
    other[:, :, 40:] += 3
    for norm, alike in (("channel", True), ("batch", False)):
        encoder = made(80, norm=norm).train()
        first, second = encoder.encode(x)[-1], encoder.encode(other)[-1]
        assert torch.allclose(first[:, :, :3], second[:, :, :3], atol=1e-5) is alike


def test_batch_norm_is_replaced_where_codes_must_not_know_of_each_other() -> None:
    given = made(context=5)
    found = unmixed(given)
    assert found.spec == given.spec | {"norm": "channel"} and unmixed(found) is found
    assert torch.equal(found.convolutions[1].weight, given.convolutions[1].weight)
    assert found.reader is not None and given.reader is not None
    assert torch.equal(found.reader.gru.weight_ih_l0, given.reader.gru.weight_ih_l0)


def test_pooling() -> None:
    x = torch.randn(2, 2, 48)
    codes = made().encode(x)[-1]
    assert torch.allclose(made(pool="mean")(x), codes.mean(2))
    assert torch.allclose(made(pool="max")(x), codes.amax(2))
    flat = made(pool="flatten")
    assert torch.allclose(flat(x), codes.flatten(1)) and flat.dim == 36
    assert flat(torch.randn(2, 2, 30)).shape == (2, 36)  # fewer positions


@pytest.mark.parametrize(("length", "kernels"), [(24, [5, 3]), (47, [5, 3]), (48, [5, 3, 3]), (2000, [5, 3, 3])])
def test_short_series_get_fewer_layers(length: int, kernels: list[int]) -> None:
    assert made(length).spec["kernels"] == kernels and made(length).spec["strides"] == [2] * len(kernels)
    assert made(length, kernels=(4,)).spec["strides"] == [2] and made(length, strides=(1, 1)).spec["kernels"] == [5, 3]


def test_it_is_rebuilt_from_its_spec() -> None:
    encoder = made(context=4, kernels=(4, 2), strides=(2, 2))
    again = encoders.build(**encoder.spec)
    again.load_state_dict(encoder.state_dict())
    x = torch.randn(2, 2, 48)
    assert torch.equal(again.eval()(x), encoder(x))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"width": 0}, "width of encoder wave must be at least 1"),
        ({"kernels": (3, 3), "strides": (2,)}, "as many kernels as strides"),
        ({"kernels": (3, 0), "strides": (2, 2)}, "as many kernels as strides, all at least 1"),
        ({"kernels": (2,), "strides": (3,)}, "no stride of encoder wave may be above its kernel"),
        ({"norm": "layer"}, "norm of encoder wave must be one of channel, batch, none, not 'layer'"),
        ({"pool": "first"}, "pool must be one of"),
        ({"length": 300, **SOUND}, "a position of encoder wave sees 465 samples, but the series have 300: set pad"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        made(**arguments)


OTHERS: dict[str, Any] = {
    "width": 7,
    "kernels": (5, 4, 3),
    "strides": (2, 1, 1),
    "context": 6,
    "pool": "max",
    "norm": "channel",
    "pad": False,
}


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [one.name for one in encoders.arguments("wave")]
    x = torch.randn(2, 2, 48, generator=torch.Generator().manual_seed(1)) + 0.5

    def fingerprint(**arguments: Any) -> list[Any]:
        encoder = made(**arguments)
        return [encoder.dim, encoder(x).tolist()]

    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


def test_for_sound_convolutions_start_as_averages_so_codes_tell_pitch_and_not_phase() -> None:
    seen = {"kind": "audio", "channels": 1, "rate": 8000, "length": 4000, "full": 32768, "mean": [0.0], "std": [0.1]}
    torch.manual_seed(0)
    encoder = encoders.build("wave", seen, width=32, norm="channel").eval()
    for first in encoder.convolutions:
        window = torch.hann_window(first.kernel_size[0] + 2, periodic=False)[1:-1]
        assert torch.allclose(first.weight / window, first.weight[:, :, :1] / window[0]) == (first.in_channels > 1)
        if first.in_channels > 1:
            assert first.weight.sum(2).std().item() == pytest.approx((2 / 32) ** 0.5, rel=0.1)
            assert not first.bias.any()
    t = torch.arange(4000) / 8000
    waves = torch.stack([torch.sin(2 * torch.pi * (f * t + p)) for f in (300, 700, 1500) for p in (0, 0.25, 0.6)])
    apart = {}
    for name, one in (("sound", encoder), ("independent", independent(encoder))):
        with torch.no_grad():
            codes = one.encode(waves[:, None])[-1][:, :, 12].view(3, 3, -1)  # [pitch, phase, D]
        apart[name] = float(codes.var(1).sum() / codes.mean(1).var(0).sum())
    assert apart["sound"] < 0.2 and apart["independent"] > 2, apart


def independent(encoder: Any) -> Any:
    found = copy.deepcopy(encoder)
    for convolution in found.convolutions:
        convolution.reset_parameters()
    return found
