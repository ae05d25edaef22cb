"""Rows of .csv and .tsv as documents: columns, quotes, labels, groups, damage, and folders of such files."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.data.text import open_text
from selftaught.data.text.kind import Text
from selftaught.errors import UserError


def opened(path: Path, **options: Any) -> Any:
    return open_text(path, "all", tokens="whitespace", **options)


def texts(corpus: Any) -> list[str]:
    return [corpus.text(i) for i in range(len(corpus))]


def test_a_row_is_a_document_with_its_label_and_group(tmp_path: Path) -> None:
    rows = [("id", "text", "label", "group")]
    rows += [(str(i), f'He said, "{i}"\nand more; less', ("cat", "dog")[i % 2], str(i // 2)) for i in range(8)]
    for name, mark in (("a.csv", ","), ("b.csv", ";"), ("c.tsv", "\t"), ("d.csv", "\t")):
        with (tmp_path / name).open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter=mark).writerows(rows)
        corpus = opened(tmp_path / name)
        assert texts(corpus)[3] == 'he said, "3"\nand more; less'
        assert corpus.classes == ("cat", "dog") and corpus.labels.tolist() == [0, 1] * 4
        assert corpus.groups.tolist() == [0, 0, 2, 2, 4, 4, 6, 6]
        assert not corpus.skipped
        other = opened(tmp_path / name, label_column="id", groups="label") if mark == "," else None
        assert other is None or other.groups.tolist() == [0, 1] * 4
    assert opened(tmp_path / "a.csv", column="label").text(1) == "dog"


def test_columns_without_names_are_counted(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('"3","one, two"\n"1","three"\n"3","four"\n')
    corpus = opened(tmp_path / "x.csv", column="2", label_column="1")
    assert texts(corpus) == ["one, two", "three", "four"] and corpus.classes == ("1", "3")
    (tmp_path / "one.csv").write_text("a b\nc d\n")
    assert texts(opened(tmp_path / "one.csv")) == ["a b", "c d"]
    (tmp_path / "named.csv").write_text("sentence\na b\nc d\n")
    with pytest.raises(UserError, match=r"named.csv, line 1: 'sentence' may be .* --column sentence or --column 1"):
        opened(tmp_path / "named.csv")
    assert texts(opened(tmp_path / "named.csv", column="sentence")) == ["a b", "c d"]
    assert texts(opened(tmp_path / "named.csv", column="1")) == ["sentence", "a b", "c d"]
    (tmp_path / "mac.csv").write_bytes(b"text,y\ra b,1\rc d,2\r")
    assert texts(opened(tmp_path / "mac.csv")) == ["a b", "c d"]
    (tmp_path / "one.csv.gz").write_bytes(gzip.compress(b"text,y\na b,1\nc d,2\n"))
    assert texts(opened(tmp_path / "one.csv.gz")) == ["a b", "c d"]


@pytest.mark.parametrize(("options", "says"), [
    ({}, "has no column 'text', but 'a', 'b': choose one with --column NAME"),
    ({"column": "3"}, "line 1: there is no column 3 among 2 without names for --column"),
    ({"column": "a", "label_column": "c"}, "there is no column 'c' for --label-column"),
    ({"column": "1", "label_column": "b"}, "there is no column b among 2 without names for --label-column"),
    ({"column": "a", "groups": "c"}, "'c'"),
])  # fmt: skip
def test_a_column_that_is_not_there(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError) as error:
        opened(tmp_path / "x.csv", **options)
    assert says in str(error.value) and "x.csv" in str(error.value) and "\n" not in str(error.value)


def test_rows_that_cannot_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(
        b'id,text\n1,good\n2\n3,"two\nlines"\n4,d\xe9j\xe0\n5,fine\n6,"never closed\n7,x\n'
    )
    corpus = opened(tmp_path / "x.csv")
    assert texts(corpus) == ["good", "two\nlines", "fine"]
    assert [one["reason"].partition(":")[0] for one in corpus.skipped] == ["line 3", "line 6", "line 8"]
    assert "no column 2 among 1" in corpus.skipped[0]["reason"]
    assert "not UTF-8 (byte e9)" in corpus.skipped[1]["reason"]
    assert "a quote that begins in it is never closed" in corpus.skipped[2]["reason"]
    (tmp_path / "y.csv").write_bytes(b'text,y\n"a\nb",1\n"c')
    assert texts(opened(tmp_path / "y.csv")) == ["a\nb"]
    (tmp_path / "z.csv").write_bytes(b'text,y\nx,1\n"a ""b""\nc",1')
    assert texts(opened(tmp_path / "z.csv")) == ["x", 'a "b"\nc']
    assert "d\ufffdj\ufffd" in texts(opened(tmp_path / "x.csv", errors="replace"))
    assert "déjà" in texts(opened(tmp_path / "x.csv", encoding="latin-1"))
    with pytest.raises(UserError, match=r"x\.csv: line 3: there is no column 2"):
        opened(tmp_path / "x.csv", errors="strict")


def test_a_long_text_is_one_cell(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f'text,label\n"{"word " * 60_000}",a\nshort,b\n')
    assert np.diff(opened(tmp_path / "x.csv").documents).tolist() == [1, 1]
    assert len(opened(tmp_path / "x.csv").ids) == 60_001


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n" + "a b,x\nc d,y\n" * 3)
    (tmp_path / "test.csv").write_text("text,label\n" + "e f,y\ng h,y\n" * 3)
    (tmp_path / "README.md").write_text("about")
    train, test = (open_text(tmp_path, side) for side in ("train", "test"))
    assert train.classes == test.classes == ("x", "y") and set(test.labels.tolist()) == {1}
    assert "train is train.csv, test is test.csv" in train.notes
    (tmp_path / "one.txt").write_text("a text beside which the tables tell something")
    beside = open_text(tmp_path, "all")
    assert {one["path"] for one in beside.skipped} == {"train.csv", "test.csv"}
    assert beside.text(len(beside) - 1).startswith("a text beside")


def test_a_test_part_without_labels_does_not_judge(tmp_path: Path) -> None:
    for part, header in (("train", "text\tlabel"), ("dev", "text\tlabel"), ("test", "text\tindex")):
        (tmp_path / f"{part}.tsv").write_text(f"{header}\n" + f"a b {part}\t0\nc d\t1\n" * 3)
    assert "train is train.tsv, test is dev.tsv" in open_text(tmp_path, "test").notes
    (tmp_path / "test.tsv").write_text("text\tlabel\na b\t0\n")
    assert "train is train.tsv, test is test.tsv" in open_text(tmp_path, "test").notes


def test_which_files_look_like_text(tmp_path: Path) -> None:
    for name, content, expected in (
        ("a.csv", 'id,"text"\n1,x\n', True), ("b.tsv", "label\ttext\n", True), ("d.csv", "", False),
        ("c.csv", "file_name,label\na.png,1\n", False),
    ):  # fmt: skip
        (tmp_path / name).write_text(content)
        assert Text.accepts(tmp_path / name) is expected
    (tmp_path / "a.csv").write_text("id,text\n" + "".join(f"{i},some words {i}\n" for i in range(20)))
    assert open_source(str(tmp_path / "a.csv"), "all").samples == "documents"
