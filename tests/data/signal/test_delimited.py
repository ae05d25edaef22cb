from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selftaught.data.signal import delimited
from selftaught.errors import UserError


def read(folder: Path, text: str, **options: object) -> delimited.Table:
    (folder / "a.csv").write_text(text)
    return delimited.read(folder / "a.csv", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["1,4\n2,5\n3,6\n", "1;4\n2;5\n3;6\n", "1\t4\n2\t5\n3\t6\n", "1 4\n2 5\n3 6\n", "x,y\n1,4\n2,5\n3,6\n"],
    ids=["comma", "semicolon", "tab", "blank", "names"],
)
def test_lines_are_moments_and_columns_are_channels(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).series.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_times_labels_and_texts_are_no_channels(tmp_path: Path) -> None:
    table = read(tmp_path, "time,x,place,label\n2020-01-01,1.5,home,walk\n2020-01-02,2.5,home,walk\n")
    assert table.series.tolist() == [[1.5, 2.5]] and table.columns == ("x",)
    assert (table.label, table.varies) == ("walk", False)
    table = read(tmp_path, "x,label\n1,walk\n2,run\n")
    assert (table.label, table.varies) == (None, True)


def test_decimal_commas_and_missing_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, "1,5;2\n2,5;\n").series[0].tolist() == [1.5, 2.5]
    series = read(tmp_path, "a,b\n1,\n2,nan\n3,5\n").series
    assert np.isnan(series[1, :2]).all() and series[1, 2] == 5


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    text = "a,b,kind\n1,2,left\n3,4,left\n"
    table = read(tmp_path, text, channels=("b",), label="kind")
    assert table.series.tolist() == [[2, 4]] and table.label == "left"
    with pytest.raises(UserError, match="no column 'c' for --channels: its columns are a, b, kind"):
        read(tmp_path, text, channels=("c",))
    with pytest.raises(UserError, match="its columns have no names"):
        read(tmp_path, "1,2\n3,4\n", channels=("b",))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty file"),
        ("a,b\n", "names of columns and no numbers"),
        ("1,2\n3\n", "line 2 has 1 columns, not 2"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 columns, not 2"),
        ("a\nx\ny\n", "no column of numbers"),
        ("a\n1\nx\n", "'x' is not a number"),
    ],
)
def test_what_is_no_series_says_why(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(delimited.Unreadable, match=reason):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("x,y\n1,2\n", True),
        ("1\n2\n", True),
        ("time,x\n2020-01-01 10:00:00,2\n", True),
        ("x,activity,label\n1,2,walk\n", True),
        ("text,label\nHello there,1\n", False),
        ("text\nHello\n", False),
        ("image,class\na.png,cat\n", False),
        ("file,x,y,width\na.png,1,2,3\n", False),
        ("a,b\n1,2,3\n", False),
        ("", False),
    ],
)
def test_files_of_numbers_are_told_from_others(tmp_path: Path, text: str, holds: bool) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert delimited.holds_numbers(tmp_path / "a.csv") is holds
