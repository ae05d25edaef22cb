"""Resizing against torch's antialiased interpolation."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from selftaught.kernels.resize import most_taps, resize, scratch, taps

SIDE = st.integers(1, 70)


def weights(size: int, grid: int, first: int, n: int, mirrored: bool, gain: float = 1.0):
    """`taps` as (start, weight [K, n])."""
    start, weight = np.empty(n, np.int64), np.empty((most_taps(size, grid), n), np.float32)
    count = taps(size, grid, first, mirrored, gain, start, weight)
    return start, weight, count


@settings(deadline=None)
@given(size=st.integers(1, 300), grid=st.integers(1, 300), data=st.data(), mirrored=st.booleans())
def test_taps_stay_inside_and_sum_to_the_gain(size, grid, data, mirrored):
    first = data.draw(st.integers(0, grid - 1))
    n = data.draw(st.integers(1, grid - first))
    start, weight, count = weights(size, grid, first, n, mirrored, gain=0.25)
    assert start.min() >= 0
    assert start.max() + count <= size
    assert weight[:count].min() >= 0
    np.testing.assert_allclose(weight[:count].sum(0), 0.25, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
@settings(deadline=None)
@given(height=SIDE, width=SIDE, n=SIDE, seed=st.integers(0, 9))
def test_resizing_is_torchs_antialiased_interpolation(channels, height, width, n, seed):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (height + 3, width + 2, channels), np.uint8)
    pixels = image.reshape(-1).view()
    pixels.flags.writeable = False
    planes, box = np.full((channels, n + 4, n), -1, np.float32), np.array([2, 1, height, width, n, n, 0, 0])
    resize(pixels, 0, (width + 2) * channels, box, False, False, 2, planes, scratch(box[None], channels, n))
    inside = planes[:, 2:-2]
    crop = torch.from_numpy(image[2 : 2 + height, 1 : 1 + width]).permute(2, 0, 1)[None].double()
    expected = F.interpolate(crop, size=(n, n), mode="bilinear", antialias=True)[0]
    np.testing.assert_allclose(inside, expected.numpy() / 255, atol=1e-5)
    inside[...] = -1
    assert (planes == -1).all()  # the margin was not touched


@settings(deadline=None)
@given(size=SIDE, n=SIDE)
@example(size=53, n=5)
def test_mirrored_taps_give_the_mirror_image(size, n):
    line = np.random.default_rng(size).random(size)
    start, weight, count = weights(size, n, 0, n, False)
    back, other, taken = weights(size, n, 0, n, True)  # rounding may leave a tap more or less than `count`
    plain = [weight[:count, o] @ line[start[o] : start[o] + count] for o in range(n)]
    mirror = [other[:taken, o] @ line[back[o] : back[o] + taken] for o in range(n)]
    np.testing.assert_allclose(mirror[::-1], plain, rtol=1e-6)
