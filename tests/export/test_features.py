"""Features in a file: what is read back is what was written, and a refusal comes before the work."""

from __future__ import annotations

import builtins
import csv
import errno
import os

import numpy as np
import pytest
from safetensors.numpy import load_file

from selftaught.errors import UserError
from selftaught.export import features, vectors

X = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
Y = np.array([0, 1, -1, 2, 0, 1, -1])


def test_three_formats(tmp_path):
    for suffix in features.FORMATS:
        features.write(tmp_path / f"x{suffix}", X, Y)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy", allow_pickle=False), X)
    tensors = load_file(tmp_path / "x.safetensors")
    np.testing.assert_array_equal(tensors["embedding"], X)
    np.testing.assert_array_equal(tensors["label"], Y)
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert table.column_names == ["index", "label", "embedding"]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), X)
    assert table["label"].to_pylist() == Y.tolist()


def test_names_and_classes_are_beside_the_features(tmp_path):
    names, classes = [f"wörd, {i}.png" for i in range(7)], ("10", "cat", "dog")
    told = ["10", "cat", None, "dog", "10", "cat", None]
    for suffix in features.FORMATS:
        features.write(tmp_path / f"x{suffix}", X, Y, names, classes)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy", allow_pickle=False), X)
    with (tmp_path / "x.names.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == names
    assert [int(row["label"]) for row in rows] == Y.tolist()
    assert [row["class"] or None for row in rows] == told
    tensors = load_file(tmp_path / "x.safetensors")
    for key, texts in (("name", names), ("classes", list(classes))):
        read = tensors[key].view(f"S{tensors[key].shape[1]}")[:, 0]
        assert [text.decode() for text in read.tolist()] == texts
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert table["name"].to_pylist() == names and table["class"].to_pylist() == told
    features.write(tmp_path / "none.safetensors", X[:1], Y[:1], [""], ())
    assert load_file(tmp_path / "none.safetensors")["name"].shape == (1, 1)


def test_what_cannot_be_written_is_said_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "x.names.csv").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*x.names.csv: it is a folder"):
        features.check(tmp_path / "x.npy")

    def refused(**_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("selftaught.run.tempfile.TemporaryFile", refused)
    with pytest.raises(UserError, match=r"cannot write .*y.npy: Read-only file system"):
        features.check(tmp_path / "y.npy")
    with pytest.raises(UserError, match=r"cannot write .*y.vec: Read-only file system"):
        vectors.check(tmp_path / "y.vec")


@pytest.mark.parametrize("name", ["x.csv", "x", "no/x.npy"])
def test_a_path_that_cannot_serve(tmp_path, name):
    with pytest.raises(UserError, match=r"must end in|there is no folder"):
        features.write(tmp_path / name, X, Y)


def test_parquet_without_its_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'selftaught\[parquet\]'"):
        features.check(tmp_path / "x.parquet")


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    features.write(tmp_path / "x.npy", X, Y)

    def full(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("selftaught.run.write_synced", full)
    with pytest.raises(UserError, match="No space left on device"):
        features.write(tmp_path / "x.npy", X * 2, Y)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), X)
