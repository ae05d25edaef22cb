from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.parts.colour import SPACES, groups, lab, rgb, ycbcr


def every_colour(steps: int = 26) -> Tensor:
    """A grid over all of sRGB, dark colours (where the curve is straight) in finer steps: float64 [N, 3]."""
    axis = torch.cat([torch.linspace(0, 1, steps), torch.linspace(0, 0.06, 7)]).double()
    return torch.cartesian_prod(axis, axis, axis)


@pytest.mark.parametrize(("ours", "theirs"), [(lab, "rgb2lab"), (ycbcr, "rgb2ycbcr")])
def test_equals_scikit_image(ours: object, theirs: str) -> None:
    skimage = pytest.importorskip("skimage.color")
    colours = every_colour()
    expected = torch.from_numpy(getattr(skimage, theirs)(colours.numpy()))
    assert callable(ours)
    assert torch.allclose(ours(colours), expected, atol=1e-10)
    assert torch.allclose(ours(colours.float()), expected.float(), atol=2e-3)  # of 100 and more


@pytest.mark.parametrize(
    ("colour", "expected"),
    [  # Bruce Lindbloom's calculator (sRGB, D65, no adaptation), rounded
        ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (53.24, 80.09, 67.20)),
        ((0.0, 1.0, 0.0), (87.73, -86.18, 83.18)),
        ((0.0, 0.0, 1.0), (32.30, 79.19, -107.86)),
        ((0.5, 0.5, 0.5), (53.39, 0.0, 0.0)),
    ],
)
def test_lab_of_known_colours(colour: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert lab(torch.tensor([colour]))[0].tolist() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [  # ITU-R BT.601: white and black, and the primaries to the nearest step
        ((1.0, 1.0, 1.0), (235, 128, 128)),
        ((0.0, 0.0, 0.0), (16, 128, 128)),
        ((1.0, 0.0, 0.0), (81, 90, 240)),
        ((0.0, 1.0, 0.0), (145, 54, 34)),
        ((0.0, 0.0, 1.0), (41, 240, 110)),
    ],
)
def test_ycbcr_of_known_colours(colour: tuple[float, ...], expected: tuple[int, ...]) -> None:
    assert ycbcr(torch.tensor([colour]))[0].round().tolist() == list(expected)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_the_ranges_are_what_srgb_reaches(name: str) -> None:
    values = SPACES[name].convert(every_colour())
    for channel, (low, high) in zip(values.T, SPACES[name].channels.values(), strict=True):
        assert channel.min().item() == pytest.approx(low, abs=2e-3)
        assert channel.max().item() == pytest.approx(high, abs=2e-3)


@pytest.mark.parametrize("convert", [lab, ycbcr, rgb])
def test_pictures_are_converted_pixel_by_pixel(convert: object) -> None:
    assert callable(convert)
    pictures = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    pixels = convert(pictures.permute(0, 2, 3, 1).reshape(-1, 3)).reshape(2, 4, 5, 3).permute(0, 3, 1, 2)
    assert torch.allclose(convert(pictures), pixels, atol=1e-5)


def test_gradients_are_finite_at_the_ends() -> None:
    x = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]], requires_grad=True)
    lab(x).sum().backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all())


@pytest.mark.gpu
def test_a_gpu_gives_the_same() -> None:
    colours = every_colour().float()
    for space in SPACES.values():
        assert torch.allclose(space.convert(colours.cuda()).cpu(), space.convert(colours), atol=1e-3)


@pytest.mark.parametrize(
    ("views", "space", "expected"),
    [
        ("L,ab", "Lab", [[0], [1, 2]]),
        ("ab, L", "Lab", [[1, 2], [0]]),
        ("L,a,b", "Lab", [[0], [1], [2]]),
        ("Y,CbCr", "YCbCr", [[0], [1, 2]]),
        ("Y,Cb,Cr", "YCbCr", [[0], [1], [2]]),
        ("R,G,B", "RGB", [[0], [1], [2]]),
        ("RB,G", "RGB", [[0, 2], [1]]),
    ],
)
def test_views_are_groups_of_channels(views: str, space: str, expected: list[list[int]]) -> None:
    assert groups(views) == (space, expected)
    assert np.bincount(np.concatenate(expected)).tolist() == [1, 1, 1]  # all channels, once


@pytest.mark.parametrize("views", ["", "Lab", "L,a", "L,ab,b", "L,aab", "L,CbCr", "l,ab", "L,,ab", "L ab", "H,S,V"])
def test_other_splits_are_refused(views: str) -> None:
    with pytest.raises(UserError, match="each channel once, not '"):
        groups(views)
