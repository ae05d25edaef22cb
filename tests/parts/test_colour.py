from __future__ import annotations

import colorsys
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.parts.colour import (
    SPACES,
    groups,
    hci,
    lab,
    refuse_colourless,
    refuse_grey,
    rgb_of_hci,
    rgb_of_lab,
    rgb_of_ycbcr,
    unchanged,
    ycbcr,
)
from selftaught.source import Index, Labels, Raw, Source


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


@pytest.mark.parametrize(("ours", "theirs", "way"), [(rgb_of_lab, "lab2rgb", lab), (rgb_of_ycbcr, "ycbcr2rgb", ycbcr)])
def test_the_way_back_equals_scikit_image(ours: object, theirs: str, way: object) -> None:
    skimage = pytest.importorskip("skimage.color")
    colours = every_colour()
    assert callable(ours) and callable(way)
    there = way(colours)
    assert torch.allclose(ours(there), torch.from_numpy(getattr(skimage, theirs)(there.numpy())), atol=1e-6)
    beyond = torch.cartesian_prod(
        *[torch.linspace(low, high, 9).double() for low, high in [(0, 100), (-99, 99), (-99, 99)]]
    )
    if ours is rgb_of_lab:  # colours that sRGB does not have are cut in the same way
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-image warns of negative Z
            assert torch.allclose(rgb_of_lab(beyond), torch.from_numpy(skimage.lab2rgb(beyond.numpy())), atol=1e-6)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_there_and_back(name: str) -> None:
    space, colours = SPACES[name], every_colour().float()
    back = space.invert(space.convert(colours))
    assert torch.allclose(back, colours, atol=1e-3)
    assert back.shape == colours.shape


def test_hue_is_that_of_hsv_and_intensity_the_mean() -> None:
    colours = every_colour(9)
    found = hci(colours)
    for colour, (hue, chroma, intensity) in zip(colours.tolist(), found.tolist(), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*colour)
        assert (hue, chroma) == pytest.approx((h, s * v), abs=1e-12)
        assert intensity == pytest.approx(sum(colour) / 3)
    assert hci(torch.full((1, 3), 0.4)).tolist() == [[0, 0, pytest.approx(0.4)]]  # grey has no hue: 0, not nan
    kept = rgb_of_hci(torch.tensor([[0.3, 0.2, 0.7]]))  # any hue and chroma leave the intensity as it is
    assert kept.mean().item() == pytest.approx(0.7)


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
    values = SPACES[name].convert(every_colour()[:, [0, 1, 2, 0][: len(SPACES[name].channels)]])
    for channel, (low, high) in zip(values.T, SPACES[name].channels.values(), strict=True):
        assert channel.min().item() == pytest.approx(low, abs=2e-3)
        assert channel.max().item() == pytest.approx(high, abs=2e-3)


@pytest.mark.parametrize("convert", [lab, ycbcr, unchanged, hci, rgb_of_lab, rgb_of_ycbcr, rgb_of_hci])
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
        ("RGB,D", "RGBD", [[0, 1, 2], [3]]),
    ],
)
def test_views_are_groups_of_channels(views: str, space: str, expected: list[list[int]]) -> None:
    assert groups(views) == (space, expected)
    assert set(np.bincount(np.concatenate(expected))) == {1}  # all channels, once


@pytest.mark.parametrize("views", ["", "Lab", "L,a", "L,ab,b", "L,aab", "L,CbCr", "l,ab", "L,,ab", "L ab", "H,S,V"])
def test_other_splits_are_refused(views: str) -> None:
    with pytest.raises(UserError, match="each channel once, not '"):
        groups(views)


def test_views_of_a_network_may_leave_out_channels() -> None:
    assert groups("L", whole=False) == ("Lab", [[0]])
    assert groups("L,L", whole=False) == ("Lab", [[0], [0]])
    assert groups("I", whole=False) == ("HCI", [[2]])
    assert groups("RGB", whole=False) == ("RGB", [[0, 1, 2]])
    with pytest.raises(UserError):
        groups("L,Cb", whole=False)


class Given(Source):
    """The images that a test gives."""

    samples = "images"

    def __init__(self, images: object) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def fetch(self, index: Index) -> Raw:
        return {"image": [self.images[i] for i in index], "index": index}

    @property
    def labels(self) -> Labels:
        return np.full(len(self), -1)


def test_images_without_colours_are_refused_with_what_is_wrong() -> None:
    grey = np.repeat(np.random.default_rng(0).integers(0, 256, (300, 4, 4, 1), np.uint8), 3, axis=3)
    with pytest.raises(UserError, match=r"but these are grey, although they have 3 channels .* give it colour images"):
        refuse_grey("cmc", Given(grey))
    one = grey.copy()
    one[255, 1, 1] = (200, 100, 50)  # a single coloured pixel of an image that is looked at
    looked_at = [i for i in range(300) if i in set(np.linspace(0, 299, 256).astype(int))]
    assert 255 in looked_at
    refuse_grey("cmc", Given(one))
    refuse_colourless("cmc", 3)
    with pytest.raises(
        UserError, match="cmc learns from the colours of images, but these are grey: they have 1 channel, not 3"
    ):
        refuse_colourless("cmc", 1)
    with pytest.raises(UserError, match="but these have 5 channels, not 3: give it colour images"):
        refuse_colourless("cmc", 5)
