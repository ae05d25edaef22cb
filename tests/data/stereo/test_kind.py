from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selftaught import encoders
from selftaught.data import open_source
from selftaught.data.sets import motorcycle
from selftaught.data.stereo import toy
from selftaught.data.stereo.kind import Stereo
from selftaught.data.stereo.pictures import Memory
from selftaught.errors import UserError

LEFT = np.zeros((6, 10, 12, 1), np.uint8)
LEFT[:, :, 6:] = np.arange(6, dtype=np.uint8)[:, None, None, None] * 40
ARRAYS = {"left": LEFT, "right": LEFT[:, :, ::-1]}


def test_arrays_in_memory_and_in_a_file_are_the_same(tmp_path: Path) -> None:
    known = np.ones((6, 10, 12), np.float32)
    np.savez(tmp_path / "a.npz", **ARRAYS, disparity=known)
    for data in ({**ARRAYS, "disparity": known}, tmp_path / "a.npz"):
        assert Stereo.accepts(data)
        source = open_source(data, "all", kind="stereo")
        batch = source.fetch(np.arange(6))
        np.testing.assert_array_equal(batch["stereo"], np.stack([LEFT, LEFT[:, :, ::-1]], 1))
        assert (batch["disparity"] == 1).all() and source.traits["truth"]
    assert not Stereo.accepts({"left": LEFT}) and not Stereo.accepts(LEFT)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"right": LEFT[:5]}, "6 left and 5 right pictures"),
        ({"right": LEFT.astype(float)}, "right picture 0 has the shape .* and the type float64"),
        ({"middle": LEFT}, "pairs need the arrays left and right"),
        ({"disparity": np.zeros((5, 10, 12))}, "5 disparities for 6 pairs"),
        ({"disparity": np.zeros((6, 9, 12))}, "the disparity of pair 0 has"),
        ({"right": LEFT[:, :9]}, r"no pair in it can be used \(pair 0: its pictures have 12x10 and 12x9 pixels\)"),
    ],
)
def test_arrays_that_are_no_pairs_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        open_source({**ARRAYS, **change}, "all", kind="stereo")


def test_an_encoder_of_images_takes_an_eye_and_no_other_does() -> None:
    assert encoders.takes("conv", "stereo") and encoders.takes("resnet18", "stereo")
    assert not encoders.takes("wave", "stereo") and not encoders.takes("transformer", "stereo")
    assert not encoders.takes("conv", "signal")
    assert encoders.build("conv", toy.seen(), width=4).dim == 4 * 4 * 2 * 2
    assert "vit" in encoders.names("stereo") and "lstm" not in encoders.names("stereo")


def test_the_encoder_is_told_size_channels_and_the_statistics_of_both_eyes() -> None:
    source = open_source(ARRAYS, "all", kind="stereo")
    seen = Stereo().input(source)
    assert {key: seen[key] for key in ("kind", "size", "channels")} == {"kind": "stereo", "size": 10, "channels": 1}
    np.testing.assert_allclose(seen["mean"], [LEFT.mean() / 255], atol=1e-6)
    np.testing.assert_allclose(seen["std"], [LEFT.std() / 255], atol=1e-6)
    assert Stereo(size=16).input(source)["size"] == 16
    wide = {eye: np.zeros((1, 100, 300), np.uint8) for eye in ("left", "right")}
    assert Stereo().input(open_source(wide, "all", kind="stereo"))["size"] == 64


def test_only_pairs_with_known_disparities_can_be_judged() -> None:
    assert Stereo().judged(toy.source(4))
    assert not Stereo().judged(open_source(ARRAYS, "all", kind="stereo"))


def test_options_and_channels_that_do_not_fit_are_refused() -> None:
    for options, said in (({"size": 7}, "size must be at least 8"), ({"disparity_scale": 0}, "must be above 0")):
        with pytest.raises(UserError, match=said):
            Stereo(**options)
    with pytest.raises(UserError, match="the encoder of run takes pictures of 3 channels, but these have 1"):
        Stereo.fits({"channels": 3}, toy.source(4), "run")
    with pytest.raises(UserError, match="pairs of pictures have no labels"):
        Stereo().open(ARRAYS, "all", labels=[0] * 6)


def test_memory_keeps_what_was_used_last(tmp_path: Path) -> None:
    read = list[str]()

    def load(path: Path) -> Any:
        read.append(path.name)
        return np.zeros(40, np.uint8)

    memory = Memory(100)
    for name in "abc":
        (tmp_path / name).write_bytes(b"x")
    for name in "abacabcab":
        memory.get(tmp_path / name, load)
    assert "".join(read) == "abcbcab"


def test_the_toy_is_two_pictures_of_one_scene() -> None:
    batch = toy.source(8, channels=3).fetch(np.arange(8))
    seen = 0
    for (left, right), disparity in zip(batch["stereo"], batch["disparity"], strict=True):
        for y in range(16):
            for x in range(16):
                there = x - int(disparity[y, x])
                hidden = there < 0 or (disparity[y, x] < 2 and not np.array_equal(left[y, x], right[y, there]))
                if not hidden:
                    assert np.array_equal(left[y, x], right[y, there])
                    seen += 1
    assert seen > 8 * 256 * 0.75


def test_the_motorcycle_is_cut_with_a_guard_between_its_parts() -> None:
    skimage = pytest.importorskip("skimage.data")
    left, right, disparity = skimage.stereo_motorcycle()
    train, test = (open_source("motorcycle", split) for split in ("train", "test"))
    assert (len(train), len(test)) == (1015, 13)
    batch = train.fetch(np.array([30]))  # second row, second column
    there = np.s_[8:232, 8:232]
    np.testing.assert_array_equal(batch["stereo"][0], [left[there], right[there]])
    np.testing.assert_array_equal(np.isfinite(batch["disparity"][0]), np.isfinite(disparity[there]))
    assert np.nanmax(np.abs(batch["disparity"][0] - np.where(np.isfinite(disparity), disparity, np.nan)[there])) < 1e-4
    assert batch["offset"][0] == 31.086 and train.names(np.array([30])) == ["rows 8 to 231, columns 8 to 231"]
    last = train.names(np.array([1014]))[0]
    assert last == "rows 272 to 495, columns 224 to 447"
    first = int(test.names(np.array([0]))[0].rpartition("columns ")[2].partition(" ")[0])
    assert first - np.nanmax(np.where(np.isfinite(disparity), disparity, np.nan)) > 447


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(motorcycle, "folder", lambda: None)
    assert not motorcycle.cached()
    with pytest.raises(UserError, match=r"scikit-image is not installed.*pip install scikit-image"):
        motorcycle.load("train")
    monkeypatch.setattr(motorcycle, "folder", lambda: tmp_path)
    (tmp_path / "motorcycle_left.png").write_bytes(b"other")
    with pytest.raises(UserError, match="differs from the expected file"):
        motorcycle.load("test")
