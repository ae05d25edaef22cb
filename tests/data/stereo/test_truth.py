from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from selftaught.data.image.decode import Unreadable
from selftaught.data.stereo.truth import known, read
from selftaught.export.disparity import pfm

VALUES = np.array([[0, 1.5, 2], [3, 4, 59.25]], np.float32)
UNKNOWN = np.array([[np.nan, 1.5, np.inf], [-1, 4, 0]], np.float32)


def test_arrays_and_pfm_are_pixels_and_what_is_not_finite_is_unknown(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", UNKNOWN.astype(np.float64))
    np.savez(tmp_path / "b.npz", UNKNOWN)
    np.savez(tmp_path / "c.npz", mask=UNKNOWN > 0, disparity=UNKNOWN)
    (tmp_path / "d.pfm").write_bytes(pfm(UNKNOWN))
    for name in ("a.npy", "b.npz", "c.npz", "d.pfm"):
        found = read(tmp_path / name)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, [[np.nan, 1.5, np.nan], [np.nan, 4, 0]])


def test_pfm_starts_with_the_lowest_row_in_either_order_of_bytes(tmp_path: Path) -> None:
    for order, sign in (("<f4", "-1"), (">f4", "1.0")):
        (tmp_path / "a.pfm").write_bytes(f"Pf\n3 2\n{sign}\n".encode() + VALUES[::-1].astype(order).tobytes())
        np.testing.assert_array_equal(read(tmp_path / "a.pfm"), VALUES)
    assert pfm(VALUES) == b"Pf\n3 2\n-1.0\n" + VALUES[::-1].astype("<f4").tobytes()


def test_a_png_of_16_bits_has_256_numbers_a_pixel_and_0_is_unknown(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 256, 384]], np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png"), [[np.nan, 1, 1.5]])
    np.testing.assert_array_equal(read(tmp_path / "a.png", scale=128), [[np.nan, 2, 3]])
    Image.fromarray(np.array([[0, 8, 20]], np.uint8)).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read(tmp_path / "b.png", scale=4), [[np.nan, 2, 5]])


def test_a_map_may_have_an_axis_of_one_channel() -> None:
    assert known(VALUES[None]).shape == known(VALUES[:, :, None]).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pfm", b"PF\n1 1\n-1\n" + bytes(12), "in colour"),
        ("a.pfm", b"Pf\n3 2\n-1\n" + bytes(23), "ends before 3x2 numbers"),
        ("a.pfm", b"hello", "no header"),
        ("a.npy", b"\x93NUMPY", "damaged"),
        ("a.npz", b"PK", "damaged"),
        ("a.png", b"", "not an image"),
        ("a.npy", np.zeros((2, 3, 4)), r"shape \(2, 3, 4\)"),
        ("a.npz", {"x": VALUES, "y": VALUES}, "none called disparity, disp"),
        ("a.png", np.zeros((2, 2), np.uint8), "8 bits, whose scale is not known: set disparity_scale"),
        ("a.png", np.zeros((2, 2, 3), np.uint8), "in colour"),
        ("missing.pfm", None, "cannot be read"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, content: Any, said: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    elif name.endswith(".png"):
        Image.fromarray(content).save(path)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(Unreadable, match=said):
        read(path)
