"""WebDataset shards: images and labels in .tar files."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hostile_folder import encoded, noise

from selftaught.data import open_source
from selftaught.data.image import tar
from selftaught.data.image.kind import Image
from selftaught.errors import UserError

IMAGES = [noise(8, 8, seed=i) for i in range(8)]


def shard(path: Path, files: dict[str, bytes], form: int = tarfile.USTAR_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def samples(numbers, kind="cls", folder="") -> dict[str, bytes]:
    """Sample i has the label i % 3."""
    found = {}
    for i in numbers:
        label = str(i % 3) if kind == "cls" else json.dumps({"label": f"class {i % 3}", "width": 8})
        found |= {f"{folder}{i:04}.png": encoded(IMAGES[i], "PNG"), f"{folder}{i:04}.{kind}": label.encode()}
    return found


def holds(source, numbers) -> None:
    np.testing.assert_array_equal(source.fetch(np.arange(len(source)))["image"], [IMAGES[i] for i in numbers])
    names = [source.classes[label] for label in source.labels]
    assert [name.removeprefix("class ") for name in names] == [str(i % 3) for i in numbers]


@pytest.mark.parametrize("kind", ["cls", "json"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("folder", ["", "a/b/", "long/" * 60])
def test_one_shard_of_every_format(tmp_path, kind, form, folder):
    if form == tarfile.USTAR_FORMAT:
        folder = folder[:150]
    path = shard(tmp_path / "a.tar", samples(range(8), kind, folder), form)
    assert Image.accepts(path) and Image.accepts(tmp_path)
    holds(open_source(path, "all"), range(8))
    with tarfile.open(path) as archive:
        expected = [(info.name, info.offset_data, info.size) for info in archive]
    assert [(one.name, one.at, one.size) for one in tar.members(path)] == expected


@pytest.mark.parametrize("names", [("train-000", "train-001", "val-000"), ("train/0", "train/1", "test/0")])
def test_shards_are_split_by_name_and_classes_numbered_alike(tmp_path, names):
    for name, numbers in zip(names, ((0, 1, 2), (3,), (4, 5)), strict=True):  # the test part has no class 0
        shard(tmp_path / f"{name}.tar", samples(numbers))
    train, test = open_source(tmp_path, "train"), open_source(tmp_path, "test")
    assert train.classes == test.classes == ("0", "1", "2")
    holds(train, range(4))
    holds(test, (4, 5))


def test_patterns_with_braces(tmp_path):
    for i in range(4):
        shard(tmp_path / f"part-{i:02}.tar", samples((i, i + 4)))
    pattern = str(tmp_path / "part-{00..02}.tar")
    assert Image.accepts(pattern)
    holds(open_source(pattern, "all"), (0, 4, 1, 5, 2, 6))
    holds(open_source(str(tmp_path / "part-{03,00}.tar"), "all"), (3, 7, 0, 4))
    with pytest.raises(UserError, match=r"2 of 4 shards are not there, the first is .*part-04\.tar"):
        open_source(str(tmp_path / "part-{02..05}.tar"), "all", kind="image")


def test_what_else_is_in_shards(tmp_path):
    files = samples(range(2)) | {
        "0002.png": encoded(IMAGES[2], "PNG"),  # without a label
        "0003.jpg": b"no image",
        "0003.cls": b"1",
        "0004.txt": b"a caption without an image",
        "0005.pyd": b"\x80\x04.",  # what webdataset would unpickle
        "0006.seg.png": encoded(IMAGES[6], "PNG"),
    }
    source = open_source(shard(tmp_path / "a.tar", files), "all")
    assert source.labels.tolist() == [0, 1, -1, -1]
    assert [(one["path"], one["reason"]) for one in source.skipped] == [
        ("a.tar/0003.jpg", "not an image in a known format")
    ]


def test_shards_follow_the_rules_of_parts_and_columns(tmp_path):
    for name, numbers in {"Training-0": (0, 1, 2), "eval-0": (3, 4), "dev-0": (5,), "extra-0": (6, 7)}.items():
        shard(tmp_path / f"{name}.tar", samples(numbers))
    train = open_source(tmp_path, "train")
    assert train.notes == (
        "train is Training-0.tar, test is eval-0.tar", "left aside: dev-0.tar, extra-0.tar",
    )  # fmt: skip
    holds(open_source(tmp_path, "test"), (3, 4))
    holds(open_source(str(tmp_path / "{Training,extra}-0.tar"), "all"), (0, 1, 2, 6, 7))  # all were asked for
    for option in ("image_column", "label_column"):
        with pytest.raises(UserError, match=f"--{option.replace('_', '-')} has no effect: these data have no columns"):
            open_source(tmp_path, "train", kind="image", **{option: "breed"})


def test_the_label_in_json(tmp_path):
    files = samples(range(4), "json")
    for i in range(4):
        files[f"{i:04}.json"] = json.dumps({"label": [i, i], "breed": i % 2}).encode()
    path = shard(tmp_path / "a.tar", files | {"0000.cls": b"9"})
    source = open_source(shard(tmp_path / "b.tar", files), "all")
    assert source.notes[0].startswith("the labels are not used: ") and not source.labelled
    assert open_source(path, "all", label_column="breed").labels.tolist() == [0, 1, 0, 1]
    with pytest.raises(UserError, match="the column 'label': labels"):
        open_source(path, "all", label_column="label")
    with pytest.raises(UserError, match=r"a\.tar, 0000\.json: there is no column 'race' for --label-column"):
        open_source(path, "all", label_column="race")


def test_images_beside_a_stray_archive_are_what_they_were(tmp_path):
    shard(tmp_path / "backup.tar", samples(range(3)))
    (tmp_path / "a.png").write_bytes(encoded(IMAGES[7], "PNG"))
    assert len(open_source(tmp_path, "all")) == 1


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda data: data[:600], r"a\.tar: truncated: a file of .* begins at byte 512 of 600"),
        (lambda data: b"x" * 2000, r"a\.tar: damaged, or not a \.tar file: no header at byte 0"),
        (lambda data: data[:512] + b"y" * 5000, r"truncated|damaged"),
        (lambda data: bytes(1024), r"a\.tar: no image in 1 shards"),
        (lambda data: data.replace(b'{"label"', b'{"label:'), r"a\.tar, 0000\.json: cannot be read as json"),
    ],
)
def test_damage_is_named(tmp_path, change, match):
    path = shard(tmp_path / "a.tar", samples(range(3), "json"))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=match):
        open_source(path, "all", kind="image")


def test_compressed_archives_are_refused(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(UserError, match=r"a compressed archive cannot be read .*: unpack it to \.tar"):
        open_source(tmp_path / "a.tar.gz", kind="image")


def test_a_run_on_a_pattern_is_resumed_from_elsewhere(tmp_path, monkeypatch):
    import selftaught

    for i in range(2):
        shard(tmp_path / f"data/x-{i}.tar", samples(range(4 * i, 4 * i + 4)))
    monkeypatch.chdir(tmp_path / "data")
    few = {"steps": 2, "batch_size": 4, "encoder": {"name": "conv", "width": 4}, "progress": False}
    run = selftaught.pretrain("simclr", "x-{0..1}.tar", split="all", **few)
    assert run.path.as_posix() == "runs/simclr-x"
    assert run.config.data["source"] == str(tmp_path / "data/x-{0..1}.tar")
    assert run.summary["samples"] == 8


def test_groups_and_limits_of_shards(tmp_path):
    for name, numbers in {"train-0": range(6), "test-0": (6, 7)}.items():
        shard(tmp_path / f"{name}.tar", samples(numbers))
    train = open_source(tmp_path, "train", groups=r"000(\d)\.")
    assert len(set(train.groups.tolist())) == 6
    few = open_source(tmp_path, "train", 3)
    assert sorted(few.labels.tolist()) == [0, 1, 2]  # one of each class
    whole = open_source(tmp_path, "all")
    assert whole.names(np.array([0, 6])) == ["train/train-0.tar/0000.png", "test/test-0.tar/0006.png"]
    with pytest.raises(UserError, match="matches no part of"):
        open_source(tmp_path, "train", groups="patient")
