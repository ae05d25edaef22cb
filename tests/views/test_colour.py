from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught.parts.colour import SPACES, lab
from selftaught.parts.colour_bins import ColourBins
from selftaught.views.augmentation import Augment
from selftaught.views.colour import ColourViews, nearest, to_lab

INPUT: dict[str, Any] = {"kind": "image", "size": 12, "channels": 3, "mean": [0.5, 0.4, 0.6], "std": [0.2, 0.3, 0.25]}
CPU = torch.device("cpu")


def made(views: ColourViews, n: int = 6) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    images = np.random.default_rng(0).integers(0, 256, (n, 12, 12, 3), np.uint8)
    raw = {"image": images, "label": np.arange(n), "index": np.arange(n)}
    return images, views.apply(raw, views.sample(np.arange(n), 0, 0), CPU)


@pytest.mark.parametrize("space", ["Lab", "YCbCr", "HCI", "RGB"])
def test_channels_are_those_of_the_space(space: str) -> None:
    images, batch = made(ColourViews(INPUT, space, Augment()))
    expected = SPACES[space].convert(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)
    assert batch.keys() == {"channels", "label", "index"}
    if space == "HCI":  # a rounding error may carry the hue of red from 0 to 1
        turn = (batch["channels"][:, :1] - expected[:, :1]).abs()
        assert torch.minimum(turn, 1 - turn).max() < 1e-3
        batch["channels"], expected = batch["channels"][:, 1:], expected[:, 1:]
    assert torch.allclose(batch["channels"], expected, atol=2e-3)


def test_the_kernel_equals_plain_torch_for_all_of_srgb() -> None:
    axis = torch.cat([torch.linspace(0, 1, 40), torch.linspace(0, 0.06, 9)])
    pixels = torch.cartesian_prod(axis, axis, axis).T.reshape(1, 3, 343, 343)  # more than a strip
    mean, std = (torch.tensor(INPUT[key]) for key in ("mean", "std"))
    image = (pixels - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
    assert torch.allclose(to_lab(image, mean, std).double(), lab(pixels.double()), atol=1e-3)
    assert torch.equal(to_lab(image * 9, mean, std), to_lab((image * 9).clone(), mean, std))
    beyond = to_lab(image + 100, mean, std)  # values outside [0, 1] are cut
    assert torch.allclose(beyond, torch.tensor([100.0, 0, 0]).view(1, 3, 1, 1).expand_as(beyond), atol=1e-2)


@pytest.mark.parametrize(("step", "neighbours"), [(10, 5), (10, 1), (20, 10), (25, 50)])
def test_the_nearest_bins_are_those_of_a_search_through_all(step: int, neighbours: int) -> None:
    bins = ColourBins(step, neighbours=neighbours)
    ab = lab(torch.rand(3000, 3, generator=torch.Generator().manual_seed(1)))[:, 1:]
    ab = ab.view(3, 1000, 2).mT.reshape(3, 2, 50, 20).contiguous()
    near, share = nearest(bins, ab)
    expected, shares = bins.encode(ab)
    distance = (bins.centres[near.movedim(1, -1)] - ab.movedim(1, -1)[..., None, :]).norm(dim=-1).movedim(-1, 1)
    best = (bins.centres[expected.movedim(1, -1)] - ab.movedim(1, -1)[..., None, :]).norm(dim=-1).movedim(-1, 1)
    assert torch.allclose(distance, best, atol=1e-3)  # two bins may be equally near
    assert (near == expected).float().mean() > 0.999
    assert torch.allclose(share, shares, atol=1e-4)


def test_bins_are_of_the_mean_colour_of_each_position() -> None:
    bins = ColourBins()
    _, batch = made(ColourViews(INPUT, "Lab", Augment(), bins, 3))
    near, share = bins.encode(F.avg_pool2d(batch["channels"][:, 1:], 4))
    assert torch.equal(batch["near"], near)
    assert torch.allclose(batch["share"], share, atol=1e-4)


def test_the_view_is_augmented_before_it_is_converted() -> None:
    plain, flipped = (made(ColourViews(INPUT, "Lab", Augment(flip=p)))[1]["channels"] for p in (0.0, 1.0))
    assert torch.allclose(plain.flip(3), flipped, atol=1e-4)


@pytest.mark.gpu
def test_a_gpu_gives_the_same() -> None:
    bins = ColourBins().cuda()
    views = ColourViews(INPUT, "Lab", Augment(), bins, 3)
    images = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 3), np.uint8)
    there = views.apply({"image": images}, views.sample(np.arange(6), 0, 0), torch.device("cuda"))
    here = made(ColourViews(INPUT, "Lab", Augment(), ColourBins(), 3))[1]
    assert torch.allclose(there["channels"].cpu(), here["channels"], atol=2e-3)
    assert (there["near"].cpu() == here["near"]).float().mean() > 0.99
