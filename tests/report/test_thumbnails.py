"""Where pictures are in a sheet, and what becomes of unusual ones."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from selftaught.report.thumbnails import SHEET_BYTES, film, picture, place, sheet, single


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_each_picture_is_in_its_own_cell() -> None:
    greys = np.arange(11) * 23
    made = sheet([np.full((16, 16, 1), grey, np.uint8) for grey in greys])
    image = np.asarray(decoded(made["uri"]).convert("L"), float)
    assert (made["cell"], made["columns"]) == (16, 4)
    assert image.shape == (48, 64)
    for i, grey in enumerate(greys):
        left, top = place(i, 4, 16)
        assert (left, top) == (i % 4 * 16, i // 4 * 16)
        assert abs(image[top + 4 : top + 12, left + 4 : left + 12].mean() - grey) < 6


def test_a_wide_picture_is_shrunk_and_centred() -> None:
    made = sheet([np.full((20, 80, 3), 255, np.uint8), np.full((40, 40, 3), 255, np.uint8)])
    image = np.asarray(decoded(made["uri"]).convert("L"))
    assert made["cell"] == 32
    assert image[16, 2:30].min() > 200  # 32 x 8 in the middle of the first cell
    assert image[:9, :30].max() < 60
    assert image[2:30, 34:62].min() > 200


def test_a_sheet_of_noise_stays_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 32, 32, 3), dtype=np.uint8)
    assert len(sheet(noise)["uri"]) < SHEET_BYTES * 1.4


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGB"), (13, "RGB")])
def test_any_number_of_channels_is_a_picture(channels: int, mode: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, channels), dtype=np.uint8)
    shown = picture(image)
    assert shown.mode == mode
    np.testing.assert_array_equal(np.asarray(shown).reshape(9, 7, -1), image[:, :, : 1 if mode == "L" else 3])


def test_small_pictures_are_lossless_and_large_ones_shrink() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(decoded(single(image))), image)
    assert decoded(single(np.zeros((300, 200, 3), np.uint8))).size == (64, 96)


def test_frames_of_few_colours_are_kept_to_the_last_bit_and_others_as_in_a_sheet() -> None:
    rng = np.random.default_rng(0)
    few = rng.choice([0, 90, 255], (7, 10, 10, 3)).astype(np.uint8)
    made = film(list(few))
    assert (made["cell"], made["columns"], made["count"]) == (10, 3, 7) and made["uri"].startswith("data:image/png")
    image = np.asarray(decoded(made["uri"]).convert("RGB"))
    for i, frame in enumerate(few):
        left, top = place(i, 3, 10)
        np.testing.assert_array_equal(image[top : top + 10, left : left + 10], frame)
    many = film(list(rng.integers(0, 256, (3, 80, 80, 3), dtype=np.uint8)))
    assert many["cell"] == 64 and many["uri"].startswith("data:image/webp")
