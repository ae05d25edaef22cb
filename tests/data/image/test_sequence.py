"""Sequences of arrays, pictures and pairs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hostile_folder import encoded, noise
from PIL import Image

from selftaught.data.image import open_images
from selftaught.errors import UserError

SAME = [noise(20, 24, seed=i) for i in range(6)]
MIXED = [noise(20 + i, 24, seed=i) for i in range(6)]


class Lazy:
    """As a torchvision data set: pictures are made when they are asked for."""

    classes = ("even", "odd")
    targets = (0, 1, 0, 1, 0, 1)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 6

    def __getitem__(self, i: int):
        self.asked.append(i)
        return Image.fromarray(SAME[i]), self.targets[i]


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
@pytest.mark.parametrize("container", [list, tuple])
def test_arrays_of_one_size(channels, container):
    images = [np.random.default_rng(i).integers(0, 256, (20, 24, channels), dtype=np.uint8) for i in range(3)]
    source = open_images(container(images), "all", labels=["b", "a", "b"])
    assert (source.channels, source.image_size, source.classes) == (channels, (20, 24), ("a", "b"))
    np.testing.assert_array_equal(source.fetch(np.array([2, 0]))["image"], np.stack([images[2], images[0]]))


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
def test_arrays_of_several_sizes(channels, own_cache):
    images = [np.random.default_rng(i).integers(0, 256, (20 + i, 24, channels), dtype=np.uint8) for i in range(3)]
    source = open_images(images, "all")
    assert (source.channels, source.image_size) == (channels, None)
    for found, image in zip(source.fetch(np.arange(3))["image"], images, strict=True):
        np.testing.assert_array_equal(found, image)
    assert not list(own_cache.iterdir())  # what is in memory is not written anywhere
    assert (
        open_images(images[::-1], "all").fingerprint
        != source.fingerprint
        == open_images(list(images), "all").fingerprint
    )


def test_float_and_channels_first_arrays_of_several_sizes():
    images = [(image / 255).astype(np.float32).transpose(2, 0, 1) for image in MIXED]
    for found, image in zip(open_images(images, "all").fetch(np.arange(6))["image"], MIXED, strict=True):
        np.testing.assert_array_equal(found, image)


def test_a_bad_array_is_skipped_and_named():
    source = open_images([MIXED[0], MIXED[1] * np.nan, np.zeros(3), None, "text", MIXED[2]], "all")
    assert len(source) == 2
    assert [one["path"] for one in source.skipped] == ["[1]", "[2]", "[3]", "[4]"]
    assert "not finite" in source.skipped[0]["reason"]
    assert source.labels.tolist() == [-1, -1]


def test_pairs_that_are_made_when_asked(own_cache):
    data = Lazy()
    source = open_images(data, "all")
    assert source.classes == ("even", "odd")
    assert source.labels.tolist() == list(data.targets)
    np.testing.assert_array_equal(source.fetch(np.arange(6))["image"], np.stack(SAME))
    asked = len(data.asked)
    source.fetch(np.arange(6))
    assert len(data.asked) == asked  # packed: never asked again
    assert len(list((own_cache / "packed").iterdir())) == 1


def test_encoded_pictures_and_pairs_in_a_list():
    source = open_images([(encoded(image, "PNG"), i % 2) for i, image in enumerate(SAME)], "all")
    assert source.labels.tolist() == [0, 1, 0, 1, 0, 1]
    np.testing.assert_array_equal(source.fetch(np.arange(6))["image"], np.stack(SAME))


def test_pictures_of_several_modes_follow_the_folder_rules():
    grey = Image.fromarray(noise(20, 24, 1))
    clear = Image.fromarray(np.dstack([SAME[0], np.zeros((20, 24), np.uint8)]))
    images = open_images([grey, clear, Image.fromarray(SAME[1]).quantize(8)], "all").fetch(np.arange(3))["image"]
    assert images.shape == (3, 20, 24, 3)
    np.testing.assert_array_equal(images[0], np.repeat(noise(20, 24, 1)[..., None], 3, axis=2))
    assert (images[1] == 255).all()  # composited over white


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ([], "empty"),
        ({}, "of type dict cannot be read as images"),
        (3, "of type int"),
        (None, "of type NoneType"),
        ([1, 2], r"none of its 2 images can be read"),
        (iter(SAME), "of type list_iterator"),
        (b"abc", "of type bytes"),
    ],
)
def test_what_holds_no_images(data, match):
    with pytest.raises(UserError, match=match):
        open_images(data, "all")


def test_a_mixture_of_channels_is_refused():
    with pytest.raises(UserError, match="3, 4 channels: use one number of channels"):
        open_images([noise(8, 8, 3), noise(8, 9, 4)], "all")


def test_equal_bytes_of_different_shapes_are_no_duplicates():
    source = open_images(
        [np.zeros((4, 6, 1), np.uint8), np.zeros((6, 4, 1), np.uint8), np.zeros((4, 6, 1), np.uint8)], "all"
    )
    first, second, third = (row.tobytes() for row in source.digests)
    assert first == third != second


def test_a_sequence_is_asked_by_one_thread_at_a_time():
    class Alone(Lazy):
        inside = 0

        def __getitem__(self, i: int):
            self.inside += 1
            assert self.inside == 1
            time.sleep(0.01)
            self.inside -= 1
            return noise(100, 100 + i, seed=i)  # of several sizes: never packed

    source = open_images(Alone(), "all")
    assert len(source) == 6
    with ThreadPoolExecutor(4) as threads:
        assert len(list(threads.map(source.fetch, [np.arange(6)] * 4))) == 4


@pytest.mark.timeout(60)
def test_a_sequence_that_fetches_from_a_source():
    inner = open_images(MIXED, "all")

    class Outer:
        def __len__(self) -> int:
            return 20

        def __getitem__(self, i: int):
            return inner.fetch(np.arange(6))["image"][i % 6]

    assert len(open_images(Outer(), "all").fetch(np.arange(20))["image"]) == 20


def test_an_element_that_raises():
    class Broken(Lazy):
        def __getitem__(self, i: int):
            raise RuntimeError("no such disk")

    with pytest.raises(UserError, match="element 0 cannot be read: RuntimeError: no such disk"):
        open_images(Broken(), "all")
