"""What an encoder is told of images, and what looks like images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from selftaught import kind as kinds
from selftaught.data import open_source
from selftaught.data.image import open_images
from selftaught.data.image.kind import LARGEST_SIDE, Image, channel_statistics
from selftaught.errors import UserError

RNG = np.random.default_rng(5)


def test_mean_and_deviation_are_those_of_all_pixels():
    images = RNG.integers(0, 256, (50, 7, 9, 4), dtype=np.uint8)
    mean, std = channel_statistics(open_images(images, "all"))
    np.testing.assert_allclose(mean, (images / 255).mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(std, (images / 255).std((0, 1, 2)), atol=1e-6)


def test_images_of_several_sizes_weigh_the_same():
    images = [np.full((4, 4, 1), 10, np.uint8), np.full((40, 40, 1), 20, np.uint8)]
    mean, std = channel_statistics(open_images(images, "all"))
    assert mean == [round(15 / 255, 6)]
    assert std == [round(5 / 255, 6)]


def test_a_constant_channel_does_not_divide_by_zero():
    images = np.full((30, 6, 6, 2), 128, np.uint8)
    assert channel_statistics(open_images(images, "all"))[1] == [round(1 / 255, 6)] * 2


@pytest.mark.parametrize(
    ("shape", "asked", "side"),
    [((20, 28, 28), None, 28), ((20, 24, 30), None, 24), ((20, 128, 128), None, LARGEST_SIDE), ((20, 28, 28), 14, 14)],
)
def test_the_side_that_the_encoder_sees(shape, asked, side):
    source = open_images(RNG.integers(0, 256, shape, dtype=np.uint8), "all")
    assert Image(asked).input(source)["size"] == side


def test_sizes_that_differ_are_resized():
    source = open_images([np.zeros((8, 8, 3), np.uint8), np.zeros((9, 12, 3), np.uint8)], "all")
    assert Image().input(source) | {"mean": 0, "std": 0} == {
        "kind": "image",
        "size": LARGEST_SIDE,
        "channels": 3,
        "mean": 0,
        "std": 0,
    }


def test_what_looks_like_images(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    for data in (pixels[None], [pixels], [(pixels, 1)], [Picture.fromarray(pixels)], [b"\xff\xd8"]):
        assert Image.accepts(data)
    for data in ("gone", ["a text"], [["two", "words"]], [], 3, None, np.zeros(3)):
        assert not Image.accepts(data)
    (tmp_path / "deep").mkdir()
    assert not Image.accepts(tmp_path)
    Picture.fromarray(pixels).save(tmp_path / "deep" / "a.png")
    assert Image.accepts(tmp_path) and Image.accepts(str(tmp_path))


def test_a_folder_that_could_be_of_two_kinds_is_refused_with_both_named(tmp_path: Path) -> None:
    Picture.fromarray(RNG.integers(0, 256, (5, 5, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("one text beside one picture")
    assert open_source(tmp_path, "all").samples == "images"  # half of the files: notes on the pictures
    (tmp_path / "b.txt").write_text("and another")
    with pytest.raises(
        UserError, match=r"could be images or documents: choose with --data\.kind image or --data\.kind text"
    ):
        open_source(tmp_path, "all")
    assert open_source(tmp_path, "all", kind="image").samples == "images"
    assert open_source(tmp_path, "all", kind="text").samples == "documents"


def test_what_looks_like_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(bytes(9))
    with pytest.raises(UserError, match=r"does not look like .*images or .*documents"):
        open_source(tmp_path)
    with pytest.raises(UserError, match="unknown data 'digit': did you mean 'digits'"):
        open_source("digit")
    with pytest.raises(UserError, match="unknown kind of sample 'imag': did you mean 'image'"):
        kinds.find("imag")
