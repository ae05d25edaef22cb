from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.errors import UserError

RNG = np.random.default_rng(0)


def lines(n: int, first: bool = True, mark: str = "\t") -> str:
    """Series of 12 fractions, with the class before or behind them."""
    rows = []
    for i in range(n):
        numbers = [f"{x:.3f}" for x in RNG.normal(size=12)]
        rows.append(mark.join([f"{i % 2 + 1}.0", *numbers] if first else [*numbers, str(i % 2 + 1)]))
    return "\n".join(rows) + "\n"


def opened(path: Path, split: str = "all", **options: object):
    return open_source(path, split, kind="signal", **options)  # type: ignore[arg-type]


def test_the_archives_own_files_have_the_class_first(tmp_path: Path) -> None:
    (tmp_path / "Two_TRAIN.tsv").write_text(lines(8))
    (tmp_path / "Two_TEST.tsv").write_text(lines(4))
    for path in (tmp_path, tmp_path / "Two_TEST.tsv"):
        train, test = opened(path, "train"), opened(path, "test")
        assert (len(train), len(test)) == (8, 4) and train.classes == test.classes == ("1", "2")
        assert train.labels.tolist() == [0, 1] * 4 and train.traits["channels"] == 1
        assert train.traits["longest"] == 12 and "train is Two_TRAIN.tsv, test is Two_TEST.tsv" in train.notes


def test_the_class_may_be_the_last_column_or_one_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(lines(8, first=False, mark=","))
    assert opened(tmp_path / "a.csv").classes == ("1", "2")
    (tmp_path / "b.csv").write_text("id,t0,t1,label\n7,1,2,up\n8,3,4,down\n9,3,5,down\n")
    source = opened(tmp_path / "b.csv")
    assert source.classes == ("down", "up") and source.fetch([1])["signal"].tolist() == [[[3, 4]]]


def test_whole_numbers_throughout_tell_no_class_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,5,6\n2,7,8\n1,9,9\n2,3,4\n")
    assert not opened(tmp_path / "a.csv").labelled and opened(tmp_path / "a.csv").traits["longest"] == 3
    asked = opened(tmp_path / "a.csv", label_column="1")
    assert asked.labels.tolist() == [0, 1, 0, 1] and asked.traits["longest"] == 2
    with pytest.raises(UserError, match="there is no column '9' for --label-column: its columns are 1, 2, 3"):
        opened(tmp_path / "a.csv", label_column="9")


def test_padding_holes_and_broken_lines(tmp_path: Path) -> None:
    text = "1,0.5,0.25,NaN\n2,0.5,0.75,1.5\n1,0.5,,1.5\n2,0.1,0.2\n1,0.5,x,1\n2,1.5,2.5,3.5\n"
    (tmp_path / "a.csv").write_text(text)
    source = opened(tmp_path / "a.csv")
    assert [one.shape[1] for one in source.fetch([0, 1, 2])["signal"]] == [2, 3, 3]
    assert {one["path"]: one["reason"] for one in source.skipped} == {
        "a.csv, line 3": "sample 1 is missing (NaN)",
        "a.csv, line 4": "3 columns, not 4",
        "a.csv, line 5": "'x' is not a number",
    }


def test_an_empty_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(UserError, match=r"a\.csv: empty file"):
        opened(tmp_path / "a.csv")


def test_a_file_of_numbers_is_taken_for_series(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(lines(8, first=False, mark=","))
    assert open_source(tmp_path / "a.csv", "all").samples == "signals"
    (tmp_path / "b.csv").write_text("text,label\nhello there,1\ngood bye,2\n")
    assert open_source(tmp_path / "b.csv", "all").samples == "documents"
