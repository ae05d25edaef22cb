from __future__ import annotations

import pytest
import torch

from selftaught import encoders
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.views.image import Augment
from selftaught.views.multi_crop import multi_crop

INPUT = {"kind": "image", "size": 28, "channels": 1, "mean": [0.5], "std": [0.2]}
ONE, TWO, SMALL = Augment(crop=(0.3, 1.0), blur=1.0), Augment(crop=(0.3, 1.0), solarise=0.2), Augment(crop=(0.05, 0.3))


def encoder(name: str = "conv", size: int = 28) -> Encoder:
    width = {"resnet18": 0.125}.get(name, 4)
    return encoders.build(name, INPUT | {"size": size}, width=width)


@pytest.mark.parametrize(("side", "small"), [(28, 12), (32, 14), (224, 96), (2, 1)])
def test_small_crops_are_three_sevenths_of_the_full_ones(side: int, small: int) -> None:
    views = multi_crop(encoder(size=side), [ONE, TWO], SMALL, 3)
    assert views[:2] == [ONE, TWO]
    assert views[2:] == [Augment(crop=(0.05, 0.3), size=small)] * 3


@pytest.mark.parametrize("name", ["conv", "resnet18"])
@pytest.mark.parametrize("size", [1, 5, 17, 28, 40])
def test_a_convolutional_encoder_takes_any_size(name: str, size: int) -> None:
    network = encoder(name).eval()
    assert multi_crop(network, [ONE], SMALL, 1, size)[1].size == size
    assert network(torch.randn(2, 1, size, size)).shape == (2, network.dim)


def test_an_encoder_of_one_size_says_so() -> None:
    with pytest.raises(UserError, match="encoder mlp takes images of 28 pixels only, so small crops cannot have 12"):
        multi_crop(encoder("mlp"), [ONE], SMALL, 2)
    assert multi_crop(encoder("mlp"), [ONE], SMALL, 0) == [ONE]
    assert multi_crop(encoder("mlp"), [ONE], SMALL, 1, 28)[1].size == 28


@pytest.mark.parametrize(("count", "size"), [(-1, 0), (1, -2)])
def test_numbers_below_zero_are_refused(count: int, size: int) -> None:
    with pytest.raises(UserError, match="at least 0"):
        multi_crop(encoder(), [ONE], SMALL, count, size)
