"""What cannot be read is left out, counted and named, whatever the form of the text."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from pathlib import Path

import pytest

from selftaught.data.text import careful, files, open_text
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError

GOOD = b"one two\nthree four\n"


def texts(corpus: Corpus) -> list[str]:
    return [corpus.text(i) for i in range(len(corpus))]


def skipped(corpus: Corpus) -> list[tuple[str, str]]:
    return [(one["path"], one["reason"]) for one in corpus.skipped]


@pytest.mark.parametrize("ending", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_a_bad_line_is_left_out_and_named(tmp_path: Path, ending: str) -> None:
    packed = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    if ending == ".zst":
        packed[ending] = pytest.importorskip("zstandard").ZstdCompressor().compress
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(packed[ending](GOOD + b"bad caf\xe9 here\nfive\nsi\0x seven\n" + GOOD))
    corpus = open_text(path, "all")
    assert texts(corpus) == ["one two\nthree four\nfive\none two\nthree four"]
    assert skipped(corpus) == [
        (path.name, "line 3: not UTF-8 (bytes e9 20 68 65)"),
        (path.name, "line 5: a NUL byte"),
    ]
    assert open_text(path, "all").skipped == corpus.skipped  # from the cache
    replaced = open_text(path, "all", errors="replace")
    assert "bad caf here" in texts(replaced)[0] and skipped(replaced) == [(path.name, "line 5: a NUL byte")]
    with pytest.raises(UserError, match="line 3: not UTF-8"):
        open_text(path, "all", errors="strict")


def test_bad_records_are_left_out_and_named(tmp_path: Path) -> None:
    rows = [b'{"text": "a b", "label": "x"}', b'{"text": null}', b'{"text": ', b'{"text": 3}', b'["text"]',
            b'{"text": "caf\xe9"}', b'{"body": "c"}', b'{"text": "\\ud800"}', b'{"text": "\\u0000 x"}',
            b'{"text": "d", "label": "y"}']  # fmt: skip
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(rows))
    corpus = open_text(tmp_path / "a.jsonl", "all")
    assert texts(corpus) == ["a b", "d"] and corpus.labels.tolist() == [0, 1]
    named = dict(reason.split(": ", 1) for _, reason in skipped(corpus))
    assert sorted(named, key=lambda line: int(line[5:])) == [f"line {i}" for i in range(2, 10)]
    assert named["line 2"] == "'text' must be text, not null" and named["line 3"].startswith("not JSON")
    assert len(open_text(tmp_path / "a.jsonl", "all", 2)) == 2  # the limit counts what was read
    assert len(open_text(tmp_path / "a.jsonl", "all", errors="replace").skipped) == 6


def test_columns_and_lists(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    raw = pyarrow.array([b"one", None, b"caf\xe9", b"two"]).cast(pyarrow.binary()).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"text": raw}), tmp_path / "a.parquet")
    corpus = open_text(tmp_path / "a.parquet", "all")
    assert texts(corpus) == ["one", "two"]
    assert [reason for _, reason in skipped(corpus)] == [
        "row 2: 'text' must be text, not null",
        "row 3: not UTF-8 (byte e9): name the --encoding, or replace it with --errors replace",
    ]
    found = open_text([{"text": "a"}, {"text": None}, {"text": "b\0"}, None], "all")
    assert texts(found) == ["a"] and [reason.split(":")[0] for _, reason in skipped(found)] == [
        "record 1", "record 2", "record 3",
    ]  # fmt: skip
    assert texts(open_text(["a", None, "b"], "all")) == ["a", "b"]


@pytest.mark.parametrize(("content", "said"), [
    ("größer schöner\nälter\n".encode("latin-1") * 5, "--encoding latin-1"),
    ("größer schöner\nälter\n".encode("utf-16"), "--encoding utf-16"),
    ("größer schöner\nälter\n".encode("utf-16-le"), "--encoding utf-16"),
    (b"plain\n" * 50 + b"caf\xe9\n" * 10, "10 of its 60 lines"),
])  # fmt: skip
def test_a_file_of_another_encoding(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UserError, match=said) as told:
        open_text(tmp_path / "a.txt", "all")
    assert "a.txt: line" in str(told.value) and "\n" not in str(told.value)
    (tmp_path / "b.txt").write_bytes(GOOD)
    beside = open_text(tmp_path, "all")  # among others it is skipped
    assert texts(beside) == ["one two\nthree four"] and beside.skipped[0]["path"] == "a.txt"


def test_encodings(tmp_path: Path) -> None:
    text = "größer schöner\nälter\n"
    for encoding in ("latin-1", "utf-16", "utf-16-le", "cp1252"):
        (tmp_path / "a.txt").write_bytes(text.encode(encoding))
        assert texts(open_text(tmp_path / "a.txt", "all", encoding=encoding)) == ["größer schöner\nälter"]
        (tmp_path / "a.jsonl").write_bytes(json.dumps({"text": text}, ensure_ascii=False).encode(encoding))
        assert texts(open_text(tmp_path / "a.jsonl", "all", encoding=encoding)) == ["größer schöner\nälter"]
    (tmp_path / "a.txt").write_bytes(b"\x81\x30 a")
    assert texts(open_text(tmp_path / "a.txt", "all", encoding="shift_jis")) == ["0 a"]
    with pytest.raises(UserError, match=r"not shift_jis \(bytes 81 30"):
        open_text(tmp_path / "a.txt", "all", encoding="shift_jis", errors="strict")
    for unknown in ("klingon", "base64", "a\0"):
        with pytest.raises(UserError, match="unknown encoding"):
            open_text(tmp_path / "a.txt", "all", encoding=unknown)


def test_unreadable_files_among_others(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(GOOD)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(GOOD * 99)[:-9])
    (tmp_path / "c.txt").symlink_to(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "d.txt")
    corpus = open_text(tmp_path, "all")
    assert len(corpus) == 2
    assert [path for path, _ in skipped(corpus)] == ["b.txt.gz"] and "damaged gzip" in skipped(corpus)[0][1]
    with pytest.raises(UserError, match="damaged gzip"):
        open_text(tmp_path, "all", errors="strict")


def test_a_text_on_one_line_loses_only_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(careful, "PIECE", 64)
    words = [f"w{i}" for i in range(400)]
    data = " ".join(words).encode()
    for block in (1 << 19, 50):
        monkeypatch.setattr(files, "BLOCK", block)
        (tmp_path / "a.txt").write_bytes(data.replace(b"w200 ", b"\xff200 ") + b" " * (block == 50))
        corpus = open_text(tmp_path / "a.txt", "all")
        left = texts(corpus)[0].split(" ")
        assert 375 < len(left) < 400 and left == [word for word in words if word in set(left)]
        assert len(corpus.skipped) == 1 and "line 1: not UTF-8 (bytes ff" in corpus.skipped[0]["reason"]


def test_a_word_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(GOOD + b"x" * 70_000 + b"\n" + "字".encode() * 30_000 + b"\n" + GOOD)
    corpus = open_text(tmp_path / "a.txt", "all")
    assert len(corpus.ids) == 30_008
    assert skipped(corpus) == [("a.txt", "line 3: a word of more than 65,536 bytes")]


def test_a_damaged_table_among_others(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    parquet.write_table(pyarrow.table({"text": ["one"], "label": ["x"]}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no table")
    corpus = open_text(tmp_path, "all")
    assert texts(corpus) == ["one"] and corpus.classes == ("x",)
    assert [path for path, _ in skipped(corpus)] == ["b.parquet"]
    assert skipped(corpus)[0][1].startswith("cannot be read as Parquet: ")
    with pytest.raises(UserError, match=r"b.parquet: cannot be read as Parquet"):
        open_text(tmp_path, "all", errors="strict")


def test_the_cache_knows_what_was_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for bad in (None, "x\0"):  # the limit counts what was read
        assert [texts(open_text([bad, text], "all", 1)) for text in "ab"] == [["a"], ["b"]]
    (tmp_path / "a.txt").write_bytes(GOOD)
    assert open_text(tmp_path, "all").skipped == []
    (tmp_path / "b.txt").write_bytes(GOOD)
    digest = files.File.digest

    def refused(file: files.File) -> bytes:
        if file.name == "b.txt":
            raise files.unreadable(file.path, PermissionError(13, "Permission denied"))
        return digest(file)

    monkeypatch.setattr(files.File, "digest", refused)
    assert skipped(open_text(tmp_path, "all")) == [("b.txt", "cannot be read: Permission denied")]


@pytest.mark.parametrize("tokens", ["words", "bpe:300"])
def test_every_part_names_what_was_skipped(tmp_path: Path, tokens: str) -> None:
    if tokens != "words":
        pytest.importorskip("tokenizers")
    rows = [json.dumps({"text": f"some words of {i}"}) for i in range(20)]
    (tmp_path / "a.jsonl").write_text("\n".join([*rows, "{"]))
    for split in ("train", "test", "all"):
        found = skipped(open_text(tmp_path / "a.jsonl", split, tokens=tokens))
        assert [reason[:17] for _, reason in found] == ["line 21: not JSON"]


def test_the_first_thousand_decide(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "x"}\n' * 3)
    with pytest.raises(UserError, match="line 1: there is no column 'text', but body"):
        open_text(tmp_path / "a.jsonl", "all")
