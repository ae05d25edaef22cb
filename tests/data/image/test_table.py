"""Parquet files of encoded images."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hostile_folder import encoded, noise

from selftaught.data.image import open_images
from selftaught.errors import UserError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

PIXELS = [noise(20, 24, seed=i) for i in range(30)]
BYTES = [encoded(pixels, "PNG") for pixels in PIXELS]
LABELS = [i % 3 for i in range(30)]


def write(path, column, labels=LABELS, metadata=None, name="image"):
    table = pa.table({name: column} | ({} if labels is None else {"label": labels}))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=7)


@pytest.mark.parametrize("form", ["binary", "large_binary", "struct", "struct with other fields"])
def test_forms_of_bytes(tmp_path, form):
    column = {
        "binary": lambda: pa.array(BYTES, pa.binary()),
        "large_binary": lambda: pa.array(BYTES, pa.large_binary()),
        "struct": lambda: pa.array([{"bytes": data, "path": None} for data in BYTES]),
        "struct with other fields": lambda: pa.array([{"id": 3, "path": "x.png", "bytes": data} for data in BYTES]),
    }[form]()
    write(tmp_path / "a.parquet", column)
    source = open_images(tmp_path / "a.parquet", "all")
    assert (len(source), source.channels, source.image_size) == (30, 3, (20, 24))
    assert source.labels.tolist() == LABELS
    np.testing.assert_array_equal(
        source.fetch(np.array([29, 0, 13]))["image"], np.stack([PIXELS[i] for i in (29, 0, 13)])
    )


def test_class_names_of_hugging_face(tmp_path):
    names = {
        "info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["x", "y", "z"], "_type": "ClassLabel"}}}
    }
    write(tmp_path / "a.parquet", BYTES, metadata={"huggingface": json.dumps(names)})
    assert open_images(tmp_path / "a.parquet", "all").classes == ("x", "y", "z")
    write(tmp_path / "b.parquet", BYTES, metadata={"huggingface": "{ not json"})
    assert open_images(tmp_path / "b.parquet", "all").classes == ("0", "1", "2")


@pytest.mark.parametrize("below", ["", "data/"])
def test_a_folder_of_parts(tmp_path, below):
    for start in (0, 10):
        write(tmp_path / f"{below}train-{start}.parquet", BYTES[start : start + 10], LABELS[start : start + 10])
    write(tmp_path / f"{below}test-0.parquet", BYTES[20:], LABELS[20:])
    train, test = open_images(tmp_path, "train"), open_images(tmp_path, "test")
    assert (len(train), len(test), len(open_images(tmp_path, "all"))) == (20, 10, 30)
    np.testing.assert_array_equal(train.fetch(np.array([12]))["image"][0], PIXELS[12])
    assert test.labels.tolist() == LABELS[20:]


def test_one_file_without_labels_and_with_damaged_rows(tmp_path):
    column = [None, b"", BYTES[2], b"broken", *BYTES[4:]]
    write(tmp_path / "a.parquet", pa.array([{"bytes": data, "path": None} for data in column]), None)
    source = open_images(tmp_path / "a.parquet", "all")
    assert len(source) == 27
    assert [one["path"] for one in source.skipped] == ["row 0", "row 1", "row 3"]
    assert not source.labelled
    np.testing.assert_array_equal(source.fetch(np.array([0, 1]))["image"], np.stack([PIXELS[2], PIXELS[4]]))


def test_missing_labels_are_unknown_and_names_are_numbered(tmp_path):
    write(tmp_path / "a.parquet", BYTES[:3], ["dog", None, "cat"])
    source = open_images(tmp_path / "a.parquet", "all")
    assert source.labels.tolist() == [1, -1, 0]
    assert source.classes == ("cat", "dog")


def test_rows_that_name_files(tmp_path):
    (tmp_path / "x.png").write_bytes(BYTES[0])
    write(
        tmp_path / "a.parquet",
        pa.array(
            [{"bytes": None, "path": "x.png"}, {"bytes": None, "path": "gone.png"}],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        ),
        [0, 1],
    )
    source = open_images(tmp_path / "a.parquet", "all")
    assert len(source) == 1
    assert source.skipped == [{"path": "row 1", "reason": "No such file or directory"}]


def test_large_tables_are_read_from_one_file_in_the_cache(tmp_path, own_cache, monkeypatch):
    from selftaught.data.image import table

    monkeypatch.setattr(table, "IN_MEMORY", 0)
    large = [encoded(noise(100, 120 + i, seed=i), "JPEG") for i in range(5)]
    write(tmp_path / "a.parquet", large, LABELS[:5])
    for _ in range(2):
        source = open_images(tmp_path / "a.parquet", "all")
        assert source.image_size is None
        assert [image.shape for image in source.fetch(np.array([4, 1]))["image"]] == [(100, 124, 3), (100, 121, 3)]
    [kept] = (own_cache / "rows").iterdir()
    kept.write_bytes(kept.read_bytes()[:-100])  # cut: to be made anew
    assert len(open_images(tmp_path / "a.parquet", "all")) == 5


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda path: path.write_bytes(b""), "cannot be read as Parquet"),
        (lambda path: path.write_bytes(b"PAR1 something else PAR1"), "cannot be read as Parquet"),
        (lambda path: write(path, [1, 2, 3], [0, 1, 2]), r"cannot tell which column \(image, label\) has images"),
        (lambda path: pq.write_table(pa.table({"a": BYTES, "b": BYTES}), path), r"cannot tell which column \(a, b\)"),
        (lambda path: write(path, pa.array([], pa.binary()), []), "it has no rows"),
        (lambda path: write(path, [b"x", b"y"], [0, 1]), r"none of its 2 images can be read \(row 0: not an image"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, make, match):
    make(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=match) as caught:
        open_images(tmp_path / "a.parquet")
    assert "\n" not in str(caught.value)


def test_without_pyarrow_the_extra_is_named(tmp_path):
    write(tmp_path / "a.parquet", BYTES)
    code = (
        "import sys\nsys.modules['pyarrow'] = None\n"
        "from selftaught.data.image import open_images\nopen_images(sys.argv[1])"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.parquet")], capture_output=True, text=True, check=False
    )
    assert "UserError: reading Parquet needs pyarrow: pip install selftaught[parquet]" in child.stderr
