from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.errors import UserError

pyarrow = pytest.importorskip("pyarrow")


def write(path: Path, columns: dict[str, Any]) -> Path:
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


COLUMNS = {
    "x": [[1.0, 2.0, 3.0], [4.0, 5.0]],
    "y": [[7, 8, 9], [1, 2]],
    "label": ["up", "down"],
    "person": [3, 4],
}


def test_a_list_of_numbers_a_channel(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", COLUMNS)
    source = open_source(path, "all")
    assert source.samples == "signals" and source.classes == ("down", "up") and source.labels.tolist() == [1, 0]
    assert [one.tolist() for one in source.fetch([0, 1])["signal"]] == [[[1, 2, 3], [7, 8, 9]], [[4, 5], [1, 2]]]
    only = open_source(path, "all", kind="signal", channels=("y",), label_column="person", groups="person")
    assert only.fetch([1])["signal"][0].tolist() == [[1, 2]] and only.groups is not None
    with pytest.raises(UserError, match="the column 'person' has no lists of numbers: those that have are x, y"):
        open_source(path, "all", channels=("person",))
    with pytest.raises(UserError, match="no column 'where' to group by, but x, y, label, person"):
        open_source(path, "all", groups="where")


def test_lists_of_lists_are_channels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"series": [[[1.0, 2.0], [3.0, None]], [[5.0, 6.0], [7.0, 8.0]]]})
    source = open_source(path, "all", kind="signal")
    assert len(source) == 1 and source.skipped[0] == {"path": "row 0", "reason": "sample 1 is missing (NaN)"}


def test_a_column_a_moment(tmp_path: Path) -> None:
    columns: dict[str, Any] = {f"t{i}": [float(i), i + 0.5] for i in range(10)}
    source = open_source(write(tmp_path / "a.parquet", columns | {"label": [0, 1], "id": [5, 6]}), "all")
    assert source.samples == "signals" and source.labels.tolist() == [0, 1]
    assert np.allclose(source.fetch([1])["signal"], np.arange(10) + 0.5)


def test_files_called_like_parts_are_parts(tmp_path: Path) -> None:
    write(tmp_path / "set/train.parquet", COLUMNS)
    write(tmp_path / "set/test.parquet", {"x": [[1.0, 2.0]], "y": [[1, 2]], "label": ["up"], "person": [1]})
    assert [len(open_source(tmp_path / "set", split)) for split in ("train", "test", "all")] == [2, 1, 3]  # type: ignore[arg-type]


def test_tables_of_pictures_and_texts_are_left_to_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"text": ["a b", "c d"], "label": [0, 1]})
    assert open_source(path, "all").samples == "documents"
    with pytest.raises(UserError, match="no column has lists of numbers, and none numbers"):
        open_source(path, "all", kind="signal")
