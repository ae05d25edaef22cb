"""The rule by which an axis of an array is taken for the channels."""

from __future__ import annotations

import numpy as np
import pytest

from selftaught.data.image import open_images
from selftaught.data.image.axes import axis_of
from selftaught.data.image.reading import Reading
from selftaught.errors import UserError


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((224, 224, 3), "last"),
        ((3, 224, 224), "first"),
        ((3, 16, 16), "first"),
        ((13, 16, 16), "first"),
        ((16, 16, 13), "last"),
        ((13, 64, 48), "first"),
        ((64, 48, 13), "last"),
        ((4, 4, 3), "last"),
        ((3, 3, 3), "last"),
        ((1, 28, 28), "first"),
        ((28, 28, 1), "last"),
        ((200, 32, 32), "first"),  # more bands than rows
        ((32, 32, 200), "last"),
        ((13, 10, 20), "first"),
        ((6, 5, 13), "last"),
        ((16, 16, 16), "last"),
    ],
)
def test_the_shape_decides(shape, axis):
    assert axis_of([shape], "auto", "here")[0] == axis
    array = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    source = open_images(array, "all")
    expected = array if axis == "last" else np.moveaxis(array, 1, -1)
    np.testing.assert_array_equal(source.fetch(np.arange(2))["image"], expected)
    assert source.channels == expected.shape[-1]


@pytest.mark.parametrize("form", ["array", "list", "sizes"])
@pytest.mark.parametrize("axis", ["first", "last"])
def test_a_user_says_it_for_every_form(form, axis):
    images = list(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 8), dtype=np.uint8))
    if form == "sizes":
        images[1] = images[1][:, :7] if axis == "first" else images[1][:7]
    source = open_images(np.stack(images) if form == "array" else images, "all", reading=Reading.of(channel_axis=axis))
    expected = [image if axis == "last" else np.moveaxis(image, 0, -1) for image in images]
    for found, image in zip(source.fetch(np.arange(3))["image"], expected, strict=True):
        np.testing.assert_array_equal(found, image)
    assert source.traits["reading"] == {"channel_axis": axis}


def test_arrays_of_several_sizes_agree_on_one_axis():
    images = [np.zeros((13, 20, 30), np.uint8), np.zeros((13, 14, 12), np.uint8), np.zeros((13, 9, 13), np.uint8)]
    assert [image.shape for image in open_images(images, "all").fetch(np.arange(3))["image"]] == [
        (20, 30, 13),
        (14, 12, 13),
        (9, 13, 13),
    ]
    with pytest.raises(
        UserError, match=r"13 x 16 x 16 and 20 x 20 x 13 seem to be on different axes: give channel_axis"
    ):
        open_images([np.zeros((13, 16, 16), np.uint8), np.zeros((20, 20, 13), np.uint8)], "all")


def test_a_shape_that_tells_nothing_is_noted():
    guess = "images of shape 17 x 15 x 23 are read as height x width x channels (--channel-axis)"
    assert axis_of([(17, 15, 23)], "auto", "here") == ("last", guess)
    images = np.zeros((5, 17, 15, 23), np.uint8)
    images[:, 0, 0, 0] = range(5)
    for data in (images, [*images[:4], images[4][:, :, ::-1].copy()[:17]], {"train": images[:3], "test": images[3:]}):
        assert open_images(data, "train").notes[-1] == guess


def test_all_parts_have_one_axis():
    narrow, square = np.zeros((3, 13, 16, 13), np.uint8), np.zeros((2, 13, 20, 20), np.uint8)
    with pytest.raises(UserError, match="seem to be on different axes"):
        open_images({"train": np.zeros((3, 20, 20, 13), np.uint8), "test": square}, "train")
    assert open_images({"train": narrow, "test": square}, "train").channels == 13
    assert open_images({"train": narrow[:, :, :12], "test": list(square)}, "test").channels == 13
