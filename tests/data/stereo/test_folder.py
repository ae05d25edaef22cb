from __future__ import annotations

from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from selftaught.data import open_source
from selftaught.data.stereo.kind import Stereo
from selftaught.errors import UserError
from selftaught.export.disparity import pfm
from selftaught.source import Source


def put(path: Path, height: int = 12, width: int = 16, channels: int = 3) -> np.ndarray[Any, Any]:
    """Write a picture, different for every path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(crc32("/".join(path.parts[-4:]).encode()))
    pixels = rng.integers(0, 256, (height, width, channels), np.uint8)
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(path)
    return pixels


def open_pairs(path: Path, split: Any = "all", **options: Any) -> Source:
    return open_source(path, split, kind="stereo", **options)


def skipped(source: Source) -> dict[str, str]:
    return {one["path"]: one["reason"] for one in source.skipped}


def test_left_and_right_are_matched_by_name_with_their_disparity(tmp_path: Path) -> None:
    left = [put(tmp_path / f"left/{i}.png") for i in range(3)]
    right = [put(tmp_path / f"right/{i}.png") for i in range(3)]
    truth = np.arange(192, dtype=np.float32).reshape(12, 16)
    (tmp_path / "disparity").mkdir()
    (tmp_path / "disparity/1.pfm").write_bytes(pfm(truth))
    source = open_pairs(tmp_path)
    batch = source.fetch(np.array([0, 1, 2]))
    np.testing.assert_array_equal(batch["stereo"], np.stack([np.stack(pair) for pair in zip(left, right, strict=True)]))
    np.testing.assert_array_equal(batch["disparity"][1], truth)
    assert np.isnan(batch["disparity"][[0, 2]]).all() and np.isnan(batch["offset"]).all()
    assert source.names(np.array([1])) == ["left/1.png"] and not source.skipped
    assert source.traits == {"channels": 3, "smallest": 12, "size": (12, 16), "truth": True}


def test_kitti_2015_has_disparities_of_16_bits_and_a_part_without_them(tmp_path: Path) -> None:
    for part, frames in (("training", 4), ("testing", 2)):
        for i in range(frames):
            for eye in "23":
                put(tmp_path / part / f"image_{eye}" / f"{i:06}_10.png")
    (tmp_path / "training/disp_occ_0").mkdir()
    for i in range(4):
        Image.fromarray(np.full((12, 16), 512 + i, np.uint16)).save(tmp_path / f"training/disp_occ_0/{i:06}_10.png")
    source = open_pairs(tmp_path)
    assert len(source) == 4 and "left aside: testing (2)" in "; ".join(source.notes)
    batch = source.fetch(np.arange(4))
    np.testing.assert_allclose(batch["disparity"][:, 0, 0], 2 + np.arange(4) / 256)
    assert (batch["offset"] == 0).all()  # KITTI is rectified to the same principal point
    assert open_pairs(tmp_path, disparity_scale=512).fetch(np.array([0]))["disparity"][0, 0, 0] == 1


def test_recordings_of_kitti_stay_whole_and_grey_pictures_are_left_aside(tmp_path: Path) -> None:
    for drive in range(5):
        for frame in range(2):
            for camera in range(4):
                put(tmp_path / f"2011_09_26/drive_{drive}/image_0{camera}/data/{frame}.png")
    train, test = open_pairs(tmp_path, "train"), open_pairs(tmp_path, "test")
    assert (len(train), len(test)) == (8, 2) and train.traits["channels"] == 3
    drives = [{name.split("/")[1] for name in one.names(np.arange(len(one)))} for one in (train, test)]
    assert len(drives[0]) == 4 and len(drives[1]) == 1 and not drives[0] & drives[1]
    assert "left aside: image_00 and image_01 (20)" in "; ".join(train.notes)
    assert "truth" not in train.traits and "disparity" not in train.fetch(np.array([0]))


def test_middlebury_has_a_folder_for_each_pair(tmp_path: Path) -> None:
    for name in ("Bike", "Piano"):
        for eye in "01":
            put(tmp_path / name / f"im{eye}.png")
        put(tmp_path / name / "im1E.png")  # another exposure
        values = np.full((12, 16), 5.0, np.float32)
        values[0] = np.inf
        (tmp_path / name / "disp0.pfm").write_bytes(pfm(values))
    (tmp_path / "Piano/calib.txt").write_text("cam0=[994.978 0 311.193; 0 994.978 254.877; 0 0 1]\ndoffs=31.086\n")
    source = open_pairs(tmp_path)
    assert source.names(np.arange(2)) == ["Bike/im0.png", "Piano/im0.png"] and not source.skipped
    batch = source.fetch(np.arange(2))
    assert np.isnan(batch["disparity"][:, 0]).all() and (batch["disparity"][:, 1:] == 5).all()
    assert np.isnan(batch["offset"][0]) and batch["offset"][1] == 31.086
    assert source.groups is None


def test_what_cannot_be_used_is_skipped_and_named(tmp_path: Path) -> None:
    for i in range(8):
        put(tmp_path / f"left/{i}.png")
        put(tmp_path / f"right/{i}.png")
    (tmp_path / "left/0.png").unlink()
    (tmp_path / "right/1.png").unlink()
    put(tmp_path / "right/2.png", width=18)
    whole = (tmp_path / "left/3.png").read_bytes()
    (tmp_path / "left/3.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "right/4.png").write_bytes(b"")
    for eye in ("left", "right"):
        put(tmp_path / eye / "5.png", height=4)
    (tmp_path / "disp").mkdir()
    np.save(tmp_path / "disp/6.npy", np.zeros((4, 4)))
    source = open_pairs(tmp_path)
    assert source.names(np.arange(len(source))) == ["left/6.png", "left/7.png"]
    said = skipped(source)
    assert said.pop("left/3.png").startswith("damaged") and len(said) == 6
    assert said == {
        "right/0.png": "there is no left picture of it",
        "left/1.png": "there is no right picture of it",
        "left/2.png": "16x12 pixels, but its right picture has 18x12",
        "left/4.png": "right/4.png: empty file",
        "left/5.png": "16x4 pixels: a side needs at least 8",
        "disp/6.npy": "4x4 numbers for 16x12 pixels (the pair is used without it)",
    }


def test_one_eye_alone_and_folders_without_pairs_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "one/left/0.png")
    with pytest.raises(UserError, match=r"no pairs of pictures .*\(left/0\.png: there is no right picture of it\)"):
        open_pairs(tmp_path / "one")
    put(tmp_path / "none/a.png")
    with pytest.raises(UserError, match="put them into the folders left and right"):
        open_pairs(tmp_path / "none")
    for eye in ("left", "right"):
        put(tmp_path / "small" / eye / "0.png", height=4)
    with pytest.raises(UserError, match=r"no pair in it can be used \(left/0\.png: 16x4 pixels"):
        open_pairs(tmp_path / "small")


def test_a_grey_eye_of_pairs_in_colour_becomes_colour(tmp_path: Path) -> None:
    put(tmp_path / "left/0.png")
    grey = put(tmp_path / "right/0.png", channels=1)
    put(tmp_path / "left/1.png", channels=1)
    put(tmp_path / "right/1.png", channels=1)
    batch = open_pairs(tmp_path).fetch(np.arange(2))
    assert batch["stereo"].shape == (2, 2, 12, 16, 3)
    np.testing.assert_array_equal(batch["stereo"][0, 1], np.repeat(grey, 3, 2))


def test_pairs_of_several_sizes_are_a_list(tmp_path: Path) -> None:
    for eye in ("left", "right"):
        put(tmp_path / eye / "0.png")
        put(tmp_path / eye / "1.png", width=20)
    source = open_pairs(tmp_path)
    assert [one.shape for one in source.fetch(np.arange(2))["stereo"]] == [(2, 12, 16, 3), (2, 12, 20, 3)]
    assert "size" not in source.traits


def test_train_and_test_folders_are_parts(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("test", 2)):
        for i in range(count):
            for eye in ("left", "right"):
                put(tmp_path / part / eye / f"{i}.png")
    train, test = open_pairs(tmp_path, "train"), open_pairs(tmp_path, "test")
    assert (len(train), len(test)) == (3, 2) and "train is train, test is test" in train.notes
    assert len(open_pairs(tmp_path, "all")) == 5


def test_a_scale_without_a_png_of_disparities_is_refused(tmp_path: Path) -> None:
    for eye in ("left", "right"):
        put(tmp_path / eye / "0.png")
    with pytest.raises(UserError, match=r"disparity_scale has no effect: .* has no PNG files of disparities"):
        open_pairs(tmp_path, disparity_scale=4)


def test_a_run_reads_other_data_by_its_scale_without_complaint(tmp_path: Path) -> None:
    for eye in ("left", "right"):
        put(tmp_path / eye / "0.png")
    reading = Stereo.reading({"channels": 3, "size": 8}, {"size": 8, "disparity_scale": 4.0})
    assert len(reading.open(tmp_path, "all")) == 1 and reading.disparity_scale == 4 and reading.size is None


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    for eye in ("left", "right"):
        put(tmp_path / eye / "0.png")
    source = open_pairs(tmp_path)
    before = source.fetch(np.array([0]))["stereo"]
    Image.fromarray(np.full((12, 16, 3), 7, np.uint8)).save(tmp_path / "left/0.png")
    assert (source.fetch(np.array([0]))["stereo"][0, 0] == 7).all() and not (before[0, 0] == 7).all()
    (tmp_path / "left/0.png").unlink()
    with pytest.raises(UserError, match="the pair changed after it was opened"):
        source.fetch(np.array([0]))
