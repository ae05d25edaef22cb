from __future__ import annotations

import pytest
import torch

from selftaught import encoders
from selftaught.encoders import patchwise
from selftaught.errors import UserError
from selftaught.views.patches import Grid

OTHERS = {"network": "mlp", "patch": 6, "stride": 5, "width": 5, "depth": 1, "norm": "none", "pool": "max", "cells": 2}


def input_of(size: int, channels: int = 1) -> dict:
    return {"kind": "image", "size": size, "channels": channels, "mean": [0.5] * channels, "std": [0.25] * channels}


@pytest.mark.parametrize(
    ("size", "patch", "stride", "rows"), [(28, 8, 4, 6), (32, 8, 4, 7), (96, 24, 12, 7), (16, 4, 2, 7), (20, 6, 3, 5)]
)
def test_the_grid_follows_the_images_size(size: int, patch: int, stride: int, rows: int) -> None:
    encoder = encoders.build("patchwise", input_of(size), width=4)
    assert (encoder.patch, encoder.stride) == (patch, stride)
    assert len(Grid(patch, stride).places(size)) == rows
    assert encoder.local(torch.randn(1, 1, size, size)).shape == (1, 16, rows, rows)
    assert encoder.dim == 16 * 16  # at most 4 x 4 cells


@pytest.mark.parametrize("network", ["conv", "mlp", "resnet18"])
def test_a_code_is_what_the_network_says_of_the_patch_alone(network: str) -> None:
    torch.manual_seed(0)
    width = {"conv": 4, "mlp": 9, "resnet18": 0.125}[network]
    encoder = encoders.build("patchwise", input_of(14, 2), network=network, width=width, patch=5, stride=4).eval()
    x = torch.randn(2, 2, 14, 14)
    codes = encoder.local(x)
    assert codes.shape == (2, encoder.network.dim, 3, 3)
    for i in range(3):
        for j in range(3):
            # 14 - 5 = 2 strides and 1 pixel: centred at 0
            alone = encoder.network(x[:, :, 4 * i : 4 * i + 5, 4 * j : 4 * j + 5])
            assert torch.allclose(codes[:, :, i, j], alone, atol=1e-5)


def test_pooling() -> None:
    for pool, cells in (("mean", 4), ("max", 4), ("flatten", 2), ("flatten", 9)):
        encoder = encoders.build("patchwise", input_of(28), width=4, pool=pool, cells=cells).eval()
        x = torch.randn(2, 1, 28, 28)
        codes, out = encoder.local(x), encoder(x)
        if pool == "flatten":
            side = min(cells, 6)
            wanted = codes.unfold(2, 6 // side, 6 // side).unfold(3, 6 // side, 6 // side).mean((4, 5)).flatten(1)
        else:
            wanted = codes.mean((2, 3)) if pool == "mean" else codes.amax((2, 3))
        assert torch.allclose(out, wanted, atol=1e-5)
        assert out.shape == (2, encoder.dim)


@pytest.mark.parametrize("argument", list(OTHERS))
def test_every_argument_matters_and_the_spec_builds_the_encoder_again(argument: str) -> None:
    found = []
    for others in ({}, {argument: OTHERS[argument]}):
        torch.manual_seed(0)
        encoder = encoders.build("patchwise", input_of(16), **({"width": 4, "depth": 2} | others)).eval()
        x = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
        found.append(encoder(x).tolist())
        twin = encoders.build(**encoder.spec).eval()
        twin.load_state_dict(encoder.state_dict())
        assert twin.spec == encoder.spec and twin(x).tolist() == found[-1]
        layers = encoder.layers(x)
        assert torch.equal(layers[-1], encoder.local(x)) and len({layer.shape[2:] for layer in layers}) == 1
    assert found[0] != found[1]
    assert [a.name for a in encoders.arguments("patchwise")] == list(OTHERS)


def test_weights_travel_into_the_network_where_they_fit() -> None:
    given = encoders.build("resnet18", input_of(32), width=0.125, norm="layer")
    made = patchwise.of(given, 0, 0, "layer")
    for name, tensor in made.network.state_dict().items():
        assert torch.equal(tensor, given.state_dict()[name])
    assert patchwise.of(encoders.build("mlp", input_of(32), width=9), 0, 0, "layer").network.dim == 9


def test_bad_values_are_refused() -> None:
    with pytest.raises(UserError, match="cannot be patchwise itself"):
        encoders.build("patchwise", input_of(28), network="patchwise")
    with pytest.raises(UserError, match="a patch of 30 pixels does not fit into an image of 28"):
        encoders.build("patchwise", input_of(28), patch=30)
    with pytest.raises(UserError, match="at least 0 and cells of at least 1"):
        encoders.build("patchwise", input_of(28), cells=0)
