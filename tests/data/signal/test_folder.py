from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.errors import UserError

RNG = np.random.default_rng(0)


def put(root: Path, name: str, text: str | None = None, rows: int = 5) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or "x,y\n" + "".join(f"{a:.3f},{b:.3f}\n" for a, b in RNG.normal(size=(rows, 2))))


def test_folders_are_parts_and_classes(tmp_path: Path) -> None:
    for part, n in (("train", 4), ("test", 2)):
        for i in range(n):
            put(tmp_path, f"{part}/{('walk', 'run')[i % 2]}/{i}.csv", rows=5 + i)
    train, test = (open_source(tmp_path, split) for split in ("train", "test"))
    assert train.samples == "signals" and train.classes == test.classes == ("run", "walk")
    assert train.labels.tolist() == [0, 0, 1, 1] and len(test) == 2
    assert train.names(np.arange(1)) == ["train/run/1.csv"]
    assert train.traits == {"channels": 2, "shortest": 5, "longest": 8}
    assert "train is train, test is test" in train.notes


def test_bad_files_are_skipped_and_named(tmp_path: Path) -> None:
    for i in range(4):
        put(tmp_path, f"{i}.csv")
    put(tmp_path, "empty.csv", " ")
    put(tmp_path, "hole.csv", "x,y\n1,2\n,3\n4,5\n")
    put(tmp_path, "one.csv", "x,y\n1,2\n")
    put(tmp_path, "other.csv", "a,b\n1,2\n3,4\n")
    put(tmp_path, "more.csv", "x,y,z\n1,2,3\n3,4,5\n")
    put(tmp_path, "turned.csv", "y,x\n1,2\n3,4\n")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00\x01")
    source = open_source(tmp_path, "all", kind="signal")
    assert len(source) == 5 and not source.labelled
    assert {one["path"]: one["reason"] for one in source.skipped} == {
        "bytes.csv": "byte 0 is not UTF-8",
        "empty.csv": "empty file",
        "hole.csv": "sample 1 is missing (NaN)",
        "more.csv": "its columns are x, y, z, not x, y as in most",
        "one.csv": "1 sample: a series needs at least 2",
        "other.csv": "its columns are a, b, not x, y as in most",
    }
    last = source.fetch(np.array([4]))["signal"][0]
    assert source.names(np.array([4])) == ["turned.csv"] and last.tolist() == [[2, 4], [1, 3]]  # by their names


def test_a_column_with_one_value_names_the_class(tmp_path: Path) -> None:
    for i, name in enumerate(("walk", "run", "walk", "run")):
        put(tmp_path, f"{i}.csv", f"x,label\n{i},{name}\n{i + 1},{name}\n")
    source = open_source(tmp_path, "all")
    assert source.classes == ("run", "walk") and source.labels.tolist() == [1, 0, 1, 0]
    assert source.traits["channels"] == 1
    put(tmp_path, "4.csv", "x,label\n1,walk\n2,run\n")
    changed = open_source(tmp_path, "all")
    assert changed.labels.tolist() == [1, 0, 1, 0, -1]
    assert "a column of labels that change within a series is left out" in changed.notes


def test_groups_come_from_the_paths(tmp_path: Path) -> None:
    for i in range(6):
        put(tmp_path, f"anna_{i}.csv" if i < 3 else f"ben_{i}.csv")
    source = open_source(tmp_path, "all", groups="(.*)_", kind="signal")
    assert source.groups is not None and len(np.unique(source.groups)) == 2
    train, test = (open_source(tmp_path, split, groups="(.*)_", kind="signal") for split in ("train", "test"))
    assert (len(train), len(test)) == (3, 3)


def test_a_folder_without_series_and_other_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no series in this folder or below it"):
        open_source(tmp_path, "all", kind="signal")
    (tmp_path / "a.xyz").write_text("1")
    with pytest.raises(UserError, match=r"not a supported file of series: give \.ts"):
        open_source(tmp_path / "a.xyz", "all", kind="signal")
    with pytest.raises(UserError, match="there is no such file or folder"):
        open_source(str(tmp_path / "b.csv"), "all", kind="signal")


def test_numbers_beside_pictures_do_not_make_a_folder_series(tmp_path: Path) -> None:
    from PIL import Image

    for i in range(3):
        Image.new("RGB", (8, 8), (i * 40, 0, 0)).save(tmp_path / f"{i}.png")
    put(tmp_path, "boxes.csv", "x,y\n1,2\n3,4\n")
    assert open_source(tmp_path, "all").samples == "images"
