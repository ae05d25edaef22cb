from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.data.sets import stereo_depth
from selftaught.errors import UserError


def test_crops_hold_the_photograph_and_its_disparity() -> None:
    skimage = pytest.importorskip("skimage.data")
    left, _, disparity = skimage.stereo_motorcycle()
    training, test = (open_source("stereo-depth", split) for split in ("train", "test"))
    assert (len(training), len(test)) == (3599, 330)
    assert training.traits["channels"] == 4 and not training.labelled
    crop = training.fetch(np.array([61 + 2]))["image"][0]  # second row, third column
    there = np.s_[8:40, 16:48]
    assert np.array_equal(crop[:, :, :3], left[there])
    known = np.isfinite(disparity[there])
    assert known.mean() > 0.5
    assert np.abs(crop[:, :, 3][known] / 4 - disparity[there][known]).max() <= 0.126
    last = test.fetch(np.array([329]))["image"][0]
    assert np.array_equal(last[:, :, :3], left[464:496, 704:736])


def test_pixels_without_disparity_take_the_nearest_one() -> None:
    pytest.importorskip("skimage.data")
    whole = stereo_depth.joined({name: stereo_depth.read(name) for name in stereo_depth.FILES})
    assert whole.shape == (500, 741, 4)
    assert whole[:, :, 3].min() >= 28  # no pixel is infinitely far


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stereo_depth, "folder", lambda: None)
    assert not stereo_depth.cached()
    with pytest.raises(UserError, match=r"scikit-image is not installed.*pip install scikit-image"):
        stereo_depth.load("train")
    monkeypatch.setattr(stereo_depth, "folder", lambda: tmp_path)
    with pytest.raises(UserError, match=r"this version of scikit-image has no motorcycle_left\.png"):
        stereo_depth.load("train")
    (tmp_path / "motorcycle_left.png").write_bytes(b"other")
    with pytest.raises(UserError, match="differs from the expected file"):
        stereo_depth.load("train")
