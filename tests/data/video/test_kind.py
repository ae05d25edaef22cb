from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from video_files import Write, frames

from selftaught import encoders, evaluate
from selftaught.data import catalog, open_source
from selftaught.data.subset import Subset
from selftaught.data.video import toy
from selftaught.data.video.kind import Video
from selftaught.data.video.source import Frames, side_of, some
from selftaught.errors import UserError
from selftaught.views import image, plain
from selftaught.views.places import places


def opened(data: Any, split: Any = "all", **options: Any) -> Any:
    return Video(**options).read(data, split)


def test_a_file_gives_its_frames_in_order_and_decodes_them_once(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = frames(12)
    path = write(tmp_path / "a.mp4", given)
    source = opened(path)
    batch = source.fetch(np.array([7, 0]))
    assert batch["video"].shape == (2, 24, 32, 3) and batch["place"].tolist() == [[0, 0, 7], [0, 0, 0]]
    assert np.abs(batch["video"].astype(int) - given[[7, 0]]).mean() < 6  # the codec's loss
    assert len(source) == 12 and source.names(np.array([7])) == ["a.mp4, frame 7"]
    monkeypatch.setitem(sys.modules, "av", None)  # from here on nothing can be decoded
    again = opened(path)
    assert again.fingerprint == source.fingerprint
    assert isinstance(again.clips[0].frames, np.memmap)


def test_frames_are_kept_at_the_side_and_the_rate_that_are_asked_for(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "a.mp4", frames(20, 48, 64), rate=10)
    source = opened(path, side=24, rate=5)
    assert len(source) == 10 and source.traits["size"] == (24, 32) and source.clips[0].rate == 5
    whole = opened(path, side=24)
    assert np.array_equal(source.fetch(np.arange(10))["video"], whole.fetch(np.arange(0, 20, 2))["video"])
    assert Video(side=24).input(source)["size"] == 24 and Video(size=16, side=24).input(source)["size"] == 16


def test_a_folder_of_numbered_pictures_is_a_video_in_the_order_of_the_numbers(tmp_path: Path, shots: Write) -> None:
    given = frames(11)
    shots(tmp_path / "walk", given)
    source = opened(tmp_path)
    assert np.array_equal(source.fetch(np.arange(11))["video"], given)  # 2 before 10, and no loss
    assert source.clips[0].name == "walk"
    assert np.array_equal(opened(tmp_path / "walk").fetch(np.arange(11))["video"], given)


@pytest.mark.parametrize("axes", ["NTCHW", "NTHWC"])
def test_arrays_are_videos_with_a_label_each(tmp_path: Path, axes: str) -> None:
    given = np.stack([frames(6, seed=i) for i in range(5)])
    array = given.transpose(0, 1, 4, 2, 3) if axes == "NTCHW" else given
    np.save(tmp_path / "a.npy", array)
    source = open_source(tmp_path / "a.npy", "all", kind="video", labels=[1, 0, 1, 0, 1])
    assert np.array_equal(source.fetch(np.arange(30))["video"].reshape(given.shape), given)
    assert source.labels.reshape(5, 6).tolist() == [[i % 2 == 0] * 6 for i in range(5)]
    assert Video.accepts(tmp_path / "a.npy") and Video.accepts(array) and not Video.accepts(given[0])
    assert np.array_equal(opened(given[0]).fetch(np.arange(6))["video"], given[0])
    assert source.groups.tolist() == np.repeat(np.arange(5), 6).tolist()


def test_folders_are_classes_and_parts(tmp_path: Path, shots: Write) -> None:
    for part in ("train", "test"):
        for number, owner in enumerate(("run", "walk")):
            shots(tmp_path / part / owner / "a", frames(5, seed=number))
    train, test = opened(tmp_path, "train"), opened(tmp_path, "test")
    assert train.classes == ("run", "walk") and train.labels.tolist() == [0] * 5 + [1] * 5 == test.labels.tolist()
    assert len(opened(tmp_path)) == 20 and "its parts" not in train.notes


def test_few_videos_are_split_by_time_with_a_gap_and_many_by_scene() -> None:
    few = toy.source(64)  # 4 videos of 16
    train, test = side_of(few, "train"), side_of(few, "test")
    assert test.places[:, 2].reshape(4, 3).tolist() == [[13, 14, 15]] * 4
    assert train.places[:, 2].max() == 12 and len(train) + len(test) == 64
    many = toy.source(16 * 10)
    train, test = side_of(many, "train"), side_of(many, "test")
    assert len(np.unique(test.groups)) == 2 and not set(train.groups) & set(test.groups)
    assert len(train) + len(test) == 160
    shuffled = Frames(many.clips[::-1], np.zeros(10, np.int64))
    assert {c.digest for c in np.array(shuffled.clips)[np.unique(side_of(shuffled, "test")._clip)]} == {
        c.digest for c in np.array(many.clips)[np.unique(test._clip)]
    }
    gap = Frames([clip.__class__("a", np.zeros((100, 4, 4, 3), np.uint8), "d") for clip in many.clips[:1]])
    assert side_of(gap, "train").places[-1, 2] == 74 and side_of(gap, "test").places[0, 2] == 80


def test_a_limit_keeps_stretches_of_time_and_a_smaller_one_is_part_of_it() -> None:
    source = toy.source(16 * 10)
    large, small = some(source, 100, 0), some(source, 64, 0)
    for part, most in ((large, 100), (small, 64)):
        assert most - 10 <= len(part) <= most
        for clip in np.unique(part._clip):
            assert part._time[part._clip == clip].tolist() == list(range((part._clip == clip).sum()))
    assert set(small._clip) <= set(large._clip)
    with pytest.raises(UserError, match="a single frame has no neighbour in time"):
        some(source, 1, 0)


def test_hidden_and_chosen_frames_keep_their_places() -> None:
    source = toy.source(48)
    hidden = source.relabelled(np.full(48, -1))
    assert not hidden.labelled and hidden.whole.labelled and np.array_equal(hidden.places, source.places)
    assert hidden.part(np.arange(5)).labels.tolist() == [-1] * 5  # a part of hidden labels hides them too
    part = Subset(source, np.array([40, 3]))
    assert places(part).tolist() == [source.places[40].tolist(), source.places[3].tolist()]


def test_an_encoder_of_images_sees_frames_as_it_sees_images() -> None:
    source, seen = toy.source(8), toy.seen()
    batch = plain(seen).apply(source.fetch(np.arange(8)), plain(seen).sample(np.arange(8), 0, 0), torch.device("cpu"))
    same = image.plain({**seen, "kind": "image"})
    pixels = {"image": source.fetch(np.arange(8))["video"]}
    other = same.apply(pixels, same.sample(np.arange(8), 0, 0), torch.device("cpu"))
    assert torch.equal(batch["video"], other["image"])
    assert "conv" in encoders.names("video") and "lstm" not in encoders.names("video")
    encoder = encoders.build("conv", seen, width=4, depth=2)
    assert evaluate.embed(encoder, source).shape == (8, encoder.dim)
    with pytest.raises(UserError, match="encoder lstm takes text, not video: use "):
        encoders.build("lstm", seen)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be at least 1, not 0"),
        ({"side": 4}, "side must be at least 8, not 4"),
        ({"rate": 0.0}, "rate must be above 0, not 0.0"),
    ],
)
def test_options_out_of_range_are_refused(options: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Video(**options)


def test_what_cannot_be_videos_is_refused(tmp_path: Path) -> None:
    for data, message in (
        (np.zeros((2, 3, 4)), "frames must be of type uint8, 0 to 255, not float64"),
        (np.zeros((2, 3, 4), np.uint8), r"videos must have the axes .* not the shape \[2, 3, 4\]"),
        ([np.zeros((3, 4, 4, 3), np.uint8), np.zeros((3, 4, 4, 1), np.uint8)], "video 1 has 1 channels"),
        (np.zeros((1, 1, 4, 4, 3), np.uint8), "video 0: 1 frame: a video needs at least 2"),
        (tmp_path, "no video in this folder or below it"),
        (tmp_path / "none.mp4", "there is no such file or folder"),
        ("footag", "unknown data 'footag': did you mean 'footage'"),
        ("digits", "these are images, not videos"),
        (7, "data of type int cannot be read as videos"),
    ):
        with pytest.raises(UserError, match=message):
            opened(data)
    with pytest.raises(UserError, match="3 labels for 2 videos"):
        open_source(np.zeros((2, 3, 4, 4, 3), np.uint8), "all", kind="video", labels=[0, 1, 0])
    with pytest.raises(UserError, match="the groups of frames are their scenes"):
        Video().read(np.zeros((2, 3, 4, 4, 3), np.uint8), "all", groups="a")


def test_the_catalog_lists_footage_without_fetching_it() -> None:
    assert catalog.listed()["footage"] == catalog.listed()["pedestrians"] == "video"
    assert not catalog.get("footage").cached() and catalog.get("footage").ENTRY.kind == "video"


def test_a_run_holds_frames_out_where_it_can_without_any_label() -> None:
    long, short = toy.source(48), Frames([toy.source(4).clips[0]])
    assert Video().judged(long.relabelled(np.full(48, -1))) and not Video().judged(short.relabelled(np.full(4, -1)))
    with pytest.raises(UserError, match="videos of fewer than 5 frames cannot be split into train and test"):
        side_of(short, "test")
