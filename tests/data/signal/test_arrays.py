from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.data.signal.arrays import looks_like_series
from selftaught.errors import UserError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 2, 30)).astype(np.float32), np.arange(12) % 3


def opened(data: Any, split: Any = "all", **options: Any) -> Any:
    return open_source(data, split, kind="signal", **options)


@pytest.mark.parametrize("data", [X, list(X), (X, Y), {"all": X}, X.transpose(0, 2, 1)], ids=range(5))
def test_one_array_in_many_forms(data: Any) -> None:
    source = opened(data)
    assert np.allclose(source.fetch(np.arange(12))["signal"], X)
    assert source.labelled == isinstance(data, tuple)


def test_the_axis_of_channels_is_the_shorter_one_or_the_one_asked_for() -> None:
    source = opened(X.transpose(0, 2, 1))
    assert source.traits["channels"] == 2 and "the last axis was taken for the channels" in source.notes
    assert source.traits["reading"] == {"channel_axis": "last"}
    assert opened(X.transpose(0, 2, 1), channel_axis="first").traits["channels"] == 30
    assert opened(np.zeros((4, 5, 5)) + np.arange(4)[:, None, None]).traits["channels"] == 5
    with pytest.raises(UserError, match="--channel-axis has no effect"):
        opened(X[:, 0], channel_axis="last")
    with pytest.raises(UserError, match="channel_axis must be auto, first or last, not 'middle'"):
        opened(X, channel_axis="middle")


def test_the_training_part_decides_the_axis() -> None:
    few = np.zeros((3, 2, 1)) + np.arange(3)[:, None, None]  # by itself, one channel of two samples
    with pytest.raises(UserError, match="1 sample: a series needs at least 2"):
        opened({"train": X, "test": few}, "test")
    other = np.zeros((3, 2, 4)) + np.arange(3)[:, None, None]
    parts = {"train": X.transpose(0, 2, 1), "test": other.transpose(0, 2, 1)}
    assert opened(parts, "test").traits["channels"] == 2


def test_series_of_unequal_length_in_a_list() -> None:
    source = opened([np.arange(3.0), np.arange(5.0)], labels=["a", "b"])
    assert [one.shape for one in source.fetch([0, 1])["signal"]] == [(1, 3), (1, 5)]
    assert source.classes == ("a", "b")
    said = "series are 3 to 5 samples long: shorter ones are padded to 5, with a mask"
    assert said in source.notes
    said = "series are 3 to 5 samples long: shorter ones are padded to 4, with a mask and longer ones are cropped to 4"
    assert said in opened([np.arange(3.0), np.arange(5.0)], length=4).notes


def test_the_length_of_all_parts_is_that_of_the_training_part() -> None:
    parts = {"train": [np.arange(3.0), np.arange(5.0)], "test": [np.arange(7.0), np.arange(4.0)]}
    said = "series are 3 to 7 samples long: shorter ones are padded to 5, with a mask and longer ones are cropped to 5"
    assert said in opened(parts, "train").notes and said in opened(parts, "test").notes


def test_parts_keep_their_sides_and_labels() -> None:
    for data in (((X[:8], Y[:8]), (X[8:], Y[8:])), {"train": (X[:8], Y[:8]), "test": (X[8:], Y[8:])}):
        assert opened(data, "train").labels.tolist() == Y[:8].tolist()
        assert opened(data, "test").labels.tolist() == Y[8:].tolist()
        assert len(opened(data, "all")) == 12


def test_npy_with_labels_beside_it(tmp_path: Path) -> None:
    np.save(tmp_path / "walk.npy", X)
    np.save(tmp_path / "walk-labels.npy", Y)
    source = opened(str(tmp_path / "walk.npy"))
    assert source.labels.tolist() == Y.tolist()
    assert len(opened(tmp_path / "walk.npy", "test")) + len(opened(tmp_path / "walk.npy", "train")) == 12


@pytest.mark.parametrize(
    ("arrays", "sizes"),
    [
        ({"x_train": X[:8], "y_train": Y[:8], "x_test": X[8:], "y_test": Y[8:]}, (8, 4)),
        ({"series": X, "labels": Y}, None),
        ({"anything": X, "else": Y}, None),
    ],
)
def test_npz_by_the_names_of_its_arrays(tmp_path: Path, arrays: dict[str, Any], sizes: Any) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert opened(tmp_path / "a.npz").labels.tolist() == Y.tolist()
    if sizes:
        assert tuple(len(opened(tmp_path / "a.npz", split)) for split in ("train", "test")) == sizes


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (np.zeros(5), "an array of 1 axes is not series: give series as numbers"),
        (np.zeros((2, 3, 4, 5)), "an array of 4 axes is not series"),
        (np.array([["a", "b"]]), "values of type <U1 are not series"),
        ([np.zeros(3), np.zeros((2, 3, 4))], "an array of 3 axes is not series: give a series as numbers"),
        (np.zeros((0, 4)), "an array of shape .* holds no series"),
        (5, "data of type int cannot be read as series"),
        ([], "there are no series in it"),
        ((X, Y[:5].tolist() + [1] * 7), None),
    ],
)
def test_other_objects_are_refused_in_one_sentence(data: Any, sentence: str | None) -> None:
    if sentence is None:
        assert len(opened(data)) == 12
        return
    with pytest.raises(UserError, match=sentence):
        opened(data)


def test_damaged_files_and_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"a\.npz: contains Python objects, which are not unpickled"):
        opened(tmp_path / "a.npz")
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY\x01\x00cut")
    with pytest.raises(UserError, match=r"b\.npy: damaged"):
        opened(tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("shape", "kind", "series"),
    [
        ((9, 100), "f", True),
        ((9, 3, 100), "f", True),
        ((9, 100, 3), "i", True),
        ((9, 28, 28), "f", False),
        ((9, 3, 100), "b", False),
        ((9, 3, 32, 32), "f", False),
    ],
)
def test_arrays_that_could_be_pictures_are_left_to_them(shape: Any, kind: str, series: bool) -> None:
    assert looks_like_series(shape, kind) is series
