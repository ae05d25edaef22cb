from __future__ import annotations

import pytest
import torch
from torch import nn

from selftaught.parts.upward import Upward


@pytest.mark.parametrize("shape", [(64, 4, 4), (32, 1, 1), (8, 3, 3)])
@pytest.mark.parametrize("size", [4, 7, 18, 28, 33])
def test_a_code_becomes_an_image_of_any_size(shape: tuple[int, int, int], size: int) -> None:
    decoder = Upward(shape, 3, size).eval()
    assert decoder(torch.randn(2, *shape)).shape == (2, 3, size, size)


def test_sides_double_and_channels_halve() -> None:
    decoder = Upward((128, 4, 4), 1, 28)
    convolutions = [m for m in decoder.layers if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == [(128, 64), (64, 32), (32, 1)]
    x, sides = torch.randn(2, 128, 4, 4), []
    for layer in decoder.layers:
        x = layer(x)
        sides.append(x.shape[2])
    assert sorted(set(sides)) == [7, 14, 28]
    assert isinstance(decoder.layers[-1], nn.ConvTranspose2d)  # without a bound on the values


def test_normalisation_is_a_choice() -> None:
    kinds = [{type(m).__name__ for m in Upward((32, 4, 4), 1, 16, norm=norm).layers} for norm in ("batch", "none")]
    assert "BatchNorm2d" in kinds[0] and "BatchNorm2d" not in kinds[1]
