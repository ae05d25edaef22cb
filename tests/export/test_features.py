"""Features in a file: what is read back is what was written, and a refusal comes before the work."""

from __future__ import annotations

import builtins
import errno
import os

import numpy as np
import pytest
from safetensors.numpy import load_file

from selftaught.errors import UserError
from selftaught.export import features

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
