"""Every line or row of a file is one text, in order."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from selftaught.data.text import lines
from selftaught.data.text.lines import Lines, read
from selftaught.errors import UserError

GOOD = {
    "x.txt": (
        "__label__a __label__b one  two\r\n\nthree\n",
        [("one two", "a b", "1"), ("", "", "2"), ("three", "", "3")],
    ),
    "plain": ("__label__a one", [("one", "a", "1")]),
    "x.csv": ('id,text,label\n1,"a, ""b""\nc",x\n\n2,d,\n', [('a, "b"\nc', "x", "3"), ("d", "", "5")]),
    "semicolons.csv": ("text;label\na, b;__label__x\n", [("a, b", "x", "2")]),
    "x.tsv": ('text\tlabel\na "b", c\tx\n', [('a "b", c', "x", "2")]),
    "one.csv": ("a c\nb\n", [("a c", "", "1"), ("b", "", "2")]),
    "x.jsonl": ('{"text": "a", "label": 3}\n\n{"text": "b"}\n', [("a", "3", "1"), ("b", "", "3")]),
}


def told(found: Lines) -> list[tuple[str, str, str]]:
    index = np.arange(len(found))
    return list(zip(found.fetch(index)["text"], map(" ".join, found.truths), found.names(index), strict=True))


@pytest.mark.parametrize("name", GOOD)
def test_every_row_is_a_text(tmp_path: Path, name: str) -> None:
    content, expected = GOOD[name]
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + content.encode())
    assert lines.reads(tmp_path / name)
    assert told(read(tmp_path / name, "text", "strict")) == expected


def test_a_column_without_a_name_is_counted(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("3,one,more\n4,two,more\n")
    assert [text for text, *_ in told(read(tmp_path / "x.csv", "2", "strict"))] == ["one", "two"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"one\n__label__x two\n")))
    assert told(read("-", "text", "strict")) == [("one", "", "1"), ("two", "x", "2")]


BAD = {
    "x.csv": [
        ("a,b\n1,2\n", "text", "has no column 'text', but 'a', 'b': choose one with --column NAME"),
        ("a,text\n1,2\n3\n", "text", "line 3: there is no column 2 among 1"),
        ("a,b\n", "3", "line 1: there is no column 3 among 2"),
        ("text\n", "text", "has no text to predict labels of"),
        ('text,label\na,b\n"c,d\ne,f\n', "text", "line 3: a quote that begins in it is never closed"),
    ],
    "x.jsonl": [
        ('{"text": 3}\n', "text", "line 1: 'text' is not a text but 3"),
        ('{"text": "a"}\n{"b": 1}\n', "text", "line 2: this is no JSON record with the field 'text'"),
        ("[1]\n", "text", "line 1: this is no JSON record"),
    ],
    "x.txt": [("", "text", "has no text to predict labels of")],
}


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in BAD.items() for case in cases])
def test_one_sentence_says_what_is_wrong_and_where(tmp_path: Path, name: str, case: tuple[str, str, str]) -> None:
    content, column, says = case
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as error:
        read(tmp_path / name, column, "strict")
    assert says in str(error.value) and str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"one\nd\xe9\n")
    with pytest.raises(UserError, match="line 2, is not UTF-8"):
        read(tmp_path / "x.txt", "text", "strict")
    assert told(read(tmp_path / "x.txt", "text", "replace"))[1][0] == "d\ufffd"


def test_what_is_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert lines.reads("-") and not lines.reads(tmp_path) and not lines.reads(tmp_path / "x.parquet")
    assert not lines.reads(["a"]) and not lines.reads("english")


def test_labels_of_the_column_that_training_had_if_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text,stars,label\na,5,x\nb,1,y\n")
    assert [labels for _, labels, _ in told(read(tmp_path / "x.csv", "text", "strict", "stars"))] == ["5", "1"]
    assert [labels for _, labels, _ in told(read(tmp_path / "x.csv", "text", "strict", "kind"))] == ["x", "y"]
    (tmp_path / "x.csv").write_text("5,a\n1,b\n")
    assert [labels for _, labels, _ in told(read(tmp_path / "x.csv", "2", "strict", "1"))] == ["5", "1"]
    assert [labels for _, labels, _ in told(read(tmp_path / "x.csv", "2", "strict", "stars"))] == ["", ""]
