"""Text as users have it becomes a corpus, or one clear sentence says why not."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from selftaught.data import cache, catalog
from selftaught.data.text import files, material, open_text, records
from selftaught.data.text.corpus import Corpus
from selftaught.data.text.kept import place, read
from selftaught.data.text.part import part
from selftaught.errors import UserError
from selftaught.parts.tokens import tokenise


def texts(corpus: Corpus) -> list[str]:
    return [corpus.text(i) for i in range(len(corpus))]


def same(one: Corpus, other: Corpus) -> None:
    for name in ("ids", "sentences", "documents", "counts", "labels"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert list(one.words) == list(other.words)


def lines_of(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder of two classes, three documents each."""
    for name in ("good", "bad"):
        (tmp_path / "two" / name / "deep").mkdir(parents=True)
        for i in range(3):
            (tmp_path / "two" / name / "deep" / f"{i}.txt").write_text(f"A {name} film.\nNumber {i}\n")
    return tmp_path / "two"


def test_a_file_is_a_document_and_a_line_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The cat, the DOG.\n\nThe end\r\nof it")
    corpus = open_text(tmp_path / "a.txt", "all")
    assert texts(corpus) == ["the cat the dog\nthe end\nof it"]
    assert list(corpus.words) == ["the", "cat", "dog", "end", "of", "it"]
    assert corpus.counts.tolist() == [3, 1, 1, 1, 1, 1]
    assert corpus.ids.tolist() == [0, 1, 0, 2, 0, 3, 4, 5] and corpus.ids.dtype == np.int32
    assert corpus.sentences.tolist() == [0, 4, 6, 8] and corpus.documents.tolist() == [0, 3]
    assert not corpus.ids.flags.writeable  # of the file in the cache
    same(corpus, Corpus.of([(tmp_path / "a.txt").read_text()], tokens="words", lower=True))


def test_tokens_and_lower(tmp_path: Path) -> None:
    text = "Don't x=Y 中文"
    for tokens in ("words", "whitespace", "characters"):
        for lower in (True, False):
            corpus = open_text([text], "all", tokens=tokens, lower=lower)
            assert corpus.text(0).split(" ") == tokenise(text, tokens, lower)
            assert (corpus.tokens, corpus.lower) == (tokens, lower)
            assert corpus.input()["tokens"] == tokens and corpus.input()["lower"] == lower


def test_folders_label_by_first_level_and_sort_by_path(two: Path) -> None:
    corpus = open_text(str(two), "all")
    assert texts(corpus) == [f"a {name} film\nnumber {i}" for name in ("bad", "good") for i in range(3)]
    assert corpus.classes == ("bad", "good") and corpus.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert corpus.fetch(np.array([4]))["label"].tolist() == [1]
    (two / "loose.txt").write_text("no class")
    loose = open_text(two, "all")
    assert loose.classes == ("bad", "good") and loose.labels.tolist() == [0, 0, 0, 1, 1, 1, -1]


def test_train_and_test_folders_are_the_split_and_share_classes(tmp_path: Path, two: Path) -> None:
    os.renames(two / "good", tmp_path / "data" / "train" / "good")
    (tmp_path / "data" / "test" / "bad").mkdir(parents=True)
    (tmp_path / "data" / "test" / "good").mkdir()
    (tmp_path / "data" / "train" / "worse").mkdir()
    for name in ("train/worse/a.txt", "test/bad/a.txt", "test/good/a.txt"):
        (tmp_path / "data" / name).write_text(name)
    train, test, whole = (open_text(tmp_path / "data", side) for side in ("train", "test", "all"))
    assert train.classes == test.classes == whole.classes == ("bad", "good", "worse")
    assert train.labels.tolist() == [1, 1, 1, 2] and test.labels.tolist() == [0, 1]
    assert texts(whole) == texts(train) + texts(test)
    assert len(open_text(tmp_path / "data", "all", 5)) == 5


def test_json_lines_with_labels_and_another_column(tmp_path: Path) -> None:
    first, second = {"text": "One two", "body": "Three", "label": "b"}, {"text": "", "body": "four", "label": None}
    path = lines_of(tmp_path / "a.jsonl", [first, second, {"text": "x\ny", "body": "z", "label": "a"}])
    corpus = open_text(path, "all")
    assert texts(corpus) == ["one two", "", "x\ny"]
    assert corpus.classes == ("a", "b") and corpus.labels.tolist() == [1, -1, 0]
    assert texts(open_text(path, "all", column="body")) == ["three", "four", "z"]
    numbers = lines_of(tmp_path / "n.jsonl", [{"text": "a", "label": 1}, {"text": "b", "label": 0.0}, {"text": "c"}])
    assert open_text(numbers, "all").labels.tolist() == [1, 0, -1]


def test_sides_of_json_lines_number_their_labels_alike(tmp_path: Path) -> None:
    lines_of(tmp_path / "train.jsonl", [{"text": "a", "label": "yes"}, {"text": "b", "label": "maybe"}])
    lines_of(tmp_path / "test.jsonl", [{"text": "c", "label": "yes"}, {"text": "d"}])
    (tmp_path / "README.md").write_text("about")
    train, test = open_text(tmp_path, "train"), open_text(tmp_path, "test")
    assert train.classes == test.classes == ("maybe", "yes")
    assert train.labels.tolist() == [1, 0] and test.labels.tolist() == [1, -1]
    assert open_text(tmp_path, "all").labels.tolist() == [1, 0, 1, -1]
    for labels, expected in ((["3", "5"], [1, 0]), ([3, 5], [5, 3])):  # names that look like numbers, and numbers
        lines_of(tmp_path / "train.jsonl", [{"text": f"t{label}", "label": label} for label in labels])
        lines_of(tmp_path / "test.jsonl", [{"text": f"u{label}", "label": label} for label in labels[::-1]])
        assert open_text(tmp_path, "test").labels.tolist() == expected
        lines_of(tmp_path / "test.jsonl", [{"text": "v", "label": labels[1]}])
        assert open_text(tmp_path, "test").labels.tolist() == expected[:1]


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    parquet.write_table(
        pyarrow.table({"text": ["Hello there", "b"], "label": [1, 0], "other": ["u", "v"]}), tmp_path / "a.parquet"
    )
    corpus = open_text(tmp_path / "a.parquet", "all")
    assert texts(corpus) == ["hello there", "b"] and corpus.labels.tolist() == [1, 0]
    assert texts(open_text(tmp_path, "all", column="other")) == ["u", "v"]
    with pytest.raises(
        UserError, match=r"no column 'body', but text, label, other: select the text column .* --data.column"
    ):
        open_text(tmp_path / "a.parquet", "all", column="body")
    with pytest.raises(UserError, match="row 1: 'label' must be text, not int"):
        open_text(tmp_path / "a.parquet", "all", column="label")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        open_text(tmp_path / "b.parquet", "all")
    raw = pyarrow.array([b"caf\xe9 noir"]).cast(pyarrow.binary()).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"text": raw}), tmp_path / "c.parquet")
    with pytest.raises(UserError, match=r"c.parquet: row 1: not UTF-8 \(byte e9\)"):
        open_text(tmp_path / "c.parquet", "all")
    assert texts(open_text(tmp_path / "c.parquet", "all", errors="replace")) == ["caf noir"]


def test_compressed_files_read_as_what_is_inside(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    plain = "some text\nof two lines " * 5000
    (tmp_path / "a.txt").write_text(plain)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(plain.encode()[:500]) + gzip.compress(plain.encode()[500:]))
    frame = zstandard.ZstdCompressor().compress
    (tmp_path / "c.zst").write_bytes(frame(plain.encode()[:500]) + frame(plain.encode()[500:]))
    (tmp_path / "e.txt.bz2").write_bytes(bz2.compress(plain.encode()))
    (tmp_path / "f.txt.xz").write_bytes(lzma.compress(plain.encode()))
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(json.dumps({"text": plain}).encode()))
    expected = open_text(tmp_path / "a.txt", "all")
    for name in ("b.txt.gz", "c.zst", "d.jsonl.gz", "e.txt.bz2", "f.txt.xz"):
        same(open_text(tmp_path / name, "all"), expected)


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.zst", "a.txt.bz2", "a.txt.xz"])
def test_broken_archives(tmp_path: Path, name: str) -> None:
    if name.endswith("gz"):
        whole, what = gzip.compress(os.urandom(5000)), "gzip"
    elif name.endswith(("bz2", "xz")):
        module, what = (bz2, "bzip2") if name.endswith("bz2") else (lzma, "xz")
        whole = module.compress(b"some text " * 500)
    else:
        zstandard = pytest.importorskip("zstandard")
        whole, what = zstandard.ZstdCompressor().compress(b"some text " * 500), "zstandard"
    for broken in (whole[:-20], b"some text", whole[:30] + b"xx" + whole[32:]):
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(UserError, match=f"damaged {what} file|not UTF-8"):
            open_text(tmp_path / name, "all")


def test_zst_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    (tmp_path / "a.txt.zst").write_bytes(b"x")
    with pytest.raises(UserError, match=r"pip install 'selftaught\[zst\]'"):
        open_text(tmp_path / "a.txt.zst", "all")


def test_python_objects() -> None:
    assert texts(open_text(["One two", "three\nfour"], "all")) == ["one two", "three\nfour"]
    listed = open_text([["New_York", "is", "x=y"], ("b",), []], "all", lower=False)
    assert texts(listed) == ["New_York is x=y", "b", ""] and listed.tokens == "whitespace"
    named = open_text([{"text": "a", "label": "u"}, {"text": "b", "label": "v"}], "all")
    assert named.labels.tolist() == [0, 1] and named.classes == ("u", "v")

    class Again:
        def __iter__(self):
            return iter(["a b", "c"])

    assert texts(open_text(Again(), "all")) == ["a b", "c"]


@pytest.mark.parametrize(("data", "said"), [
    ((word for word in "ab"), "data is a generator, which can be read only once: give a list"),
    (iter(["a"]), "data is a list_iterator, which can be read only once"),
    ({"a": 1}, "data of type dict cannot be read as text"),
    (3, "data of type int cannot be read as text"),
    (b"abc", "data of type bytes cannot be read as text"),
    ([1, 2], "record 0: must be a string or a list of tokens, not int"),
    (["a", ["b"]], "record 1: is a list of tokens, but the first is a string: give records of one type"),
    ([["a", "b c"]], ("record 0: the token 'b c' is empty or contains white space: write one word, or join its parts "
                     "with '_'")),
    ([["a", ""]], "record 0: the token '' is empty"),
    ([["a", 1]], "record 0: a token must be a string, not int"),
    ([{"body": "a"}], "record 0: there is no column 'text', but body: select the text column with --data.column"),
    ([{"text": 1}], "record 0: 'text' must be text, not int"),
    ([], "the text is empty: it has no words"),
    (["", " ,. "], "the text is empty: it has no words"),
    (["ok", "a \ud800"], "record 1: half a character"),
    (["ok", "a\0b"], "record 1: a NUL byte"),
    (["ok", "x" * 70_000], "record 1: a word of more than 65,536 bytes"),
    ("nowhere.txt", "nowhere.txt: there is no such file or folder"),
    ("sott", "unknown data 'sott'"),
    ("digits", "digits: these are images, not text"),
    ("/dev/null", "/dev/null: neither a file nor a folder"),
    ("a\0b/c", "there is no such file or folder"),
])  # fmt: skip
def test_one_sentence_for_what_cannot_be_read(data: object, said: str) -> None:
    with pytest.raises(UserError) as told:
        open_text(data, "all", errors="strict")
    assert said in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.txt", b"", "a.txt: the text is empty"),
    ("a.txt", b"one\ntwo\0three\n", "a.txt: line 2: a NUL byte: this is not text"),
    ("a.txt", b"one\ntwo\ncaf\xe9 noir", "a.txt: line 3: not UTF-8 (bytes e9 20 6e 6f): name its --encoding"),
    ("a.txt", b"good\n" * 300_000 + b"\xff", "a.txt: line 300001: not UTF-8 (bytes ff)"),
    ("a.txt", "wide".encode("utf-16"), "a.txt: line 1: UTF-16, not UTF-8"),
    ("a.txt", b"cut \xe4\xb8", "a.txt: line 1: not UTF-8 (bytes e4 b8)"),
    ("a.jsonl", b'{"text": "a"}\n\n{"text": \n', "a.jsonl: line 3: not JSON"),
    ("a.jsonl", b'{"text": "a"}\n{"body": "b"}\n', "a.jsonl: line 2: there is no column 'text', but body"),
    ("a.jsonl", b'["text"]', "a.jsonl: line 1: not a JSON object, but list"),
    ("a.jsonl", b'{"text": "caf\xe9"}', "a.jsonl: line 1: not UTF-8"),
    ("a.jsonl", b'{"text": null}', "a.jsonl: line 1: 'text' must be text, not null"),
    ("a.jsonl", b"[" * 100_000, "a.jsonl: line 1: not JSON"),
    ("a.jsonl", b'{"text": "a"}\n{"text": "\\ud800"}', "a.jsonl: line 2: half a character"),
])  # fmt: skip
def test_bad_files_are_named_with_their_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as told:
        open_text(tmp_path / name, "all", errors="strict")
    assert said in str(told.value) and "\n" not in str(told.value)
    assert not list((cache.folder() / "corpora").glob("*"))  # nothing half-made is left


def test_ten_thousand_corrupt_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 noir\n" * 10_000)
    for errors in ("strict", "skip"):
        with pytest.raises(UserError, match=r"line 1: not UTF-8.*--encoding"):
            open_text(tmp_path / "a.txt", "all", errors=errors)
    corpus = open_text(tmp_path / "a.txt", "all", errors="replace")
    assert list(corpus.words) == ["caf", "noir"] and corpus.counts.tolist() == [10_000, 10_000]
    corpus = open_text(tmp_path / "a.txt", "all", errors="replace", tokens="whitespace")
    assert list(corpus.words) == ["caf\ufffd", "noir"]
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "caf\xe9"}\n{"text": "\\ud800 b"}')
    assert texts(open_text(tmp_path / "a.jsonl", "all", errors="replace")) == ["caf", "b"]


def test_one_word_and_a_mark_of_byte_order(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfword")
    corpus = open_text(tmp_path / "a.txt", "all", tokens="whitespace")
    assert list(corpus.words) == ["word"] and len(corpus) == 1
    with pytest.raises(
        UserError, match="1 sample without two different ones cannot be split into train and test: give more samples"
    ):
        open_text(tmp_path / "a.txt", "train")


def test_other_files_in_a_folder(tmp_path: Path, two: Path) -> None:
    (two / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (two / "good" / "notes").write_text("no ending, but text")
    (two / "good" / "empty.txt").write_text("")
    (two / ".hidden.txt").write_text("hidden")
    os.symlink(two, two / "good" / "loop")
    corpus = open_text(two, "all")
    assert len(corpus) == 7 and "no ending but text" in texts(corpus)
    assert {one["path"]: one["reason"] for one in corpus.skipped} == {
        "picture.png": "not text",
        "good/empty.txt": "it has no words",
    }
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="there is no text in this folder"):
        open_text(tmp_path / "none", "all")


def test_a_line_of_any_length_takes_constant_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated with a smaller block; numpy reports its arrays to tracemalloc."""
    monkeypatch.setattr(files, "BLOCK", 1 << 14)
    monkeypatch.setattr("selftaught.data.text.draft.IN_MEMORY", 1 << 16)
    peaks = []
    for many in (100_000, 1_600_000):
        (tmp_path / "a.txt").write_bytes(b"one two " * (many // 2))
        open_text(["warm"], "all")
        tracemalloc.start()
        corpus = open_text(tmp_path / "a.txt", "all")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(corpus.ids) == many and corpus.sentences.tolist() == [0, many]
    assert peaks[1] < peaks[0] + 1e6  # the longer line has 13 MB, and 6 MB of ids


def test_a_record_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LONGEST", 1 << 20)
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "' + b"a " * (1 << 20))
    with pytest.raises(UserError, match="a line of more than 1,048,576 bytes: check that this is JSON Lines"):
        open_text(tmp_path / "a.jsonl", "all")


@pytest.mark.parametrize("block", [7, 64, 1 << 19])
def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    text = "Ein Bär, zwei Bären – 熊が三匹 don't\n" * 40
    (tmp_path / "a.txt").write_text(text)
    lines_of(tmp_path / "a.jsonl", [{"text": line} for line in text.splitlines()])
    monkeypatch.setattr(files, "BLOCK", block)
    monkeypatch.setattr(material, "BATCH", block)
    for errors in ("strict", "replace"):
        corpus = open_text(tmp_path / "a.txt", "all", errors=errors)
        assert texts(corpus) == ["\n".join(" ".join(tokenise(line)) for line in text.splitlines())]
        assert "\n".join(texts(open_text(tmp_path / "a.jsonl", "all", errors=errors))) == corpus.text(0)


def test_split_is_by_content(tmp_path: Path) -> None:
    rows = [f"document {i % 40} of many" for i in range(50)]  # ten duplicates
    train, test, whole = (open_text(rows, side) for side in ("train", "test", "all"))
    assert sorted(texts(train) + texts(test)) == sorted(texts(whole))
    assert not set(texts(train)) & set(texts(test))
    assert len(set(texts(test))) == 8
    assert [text for text in texts(whole) if text in set(texts(train))] == texts(train)  # order is kept
    assert set(texts(open_text(rows[::-1], "test"))) == set(texts(test))
    few = texts(open_text(rows, "train", 5))
    assert len(few) == 5 and set(few) <= set(texts(train)) and few != texts(train)[:5]
    assert set(texts(open_text(whole, "test"))) == set(texts(test))
    for i, text in enumerate(rows):
        (tmp_path / f"{i}.txt").write_text(text)
    assert set(texts(open_text(tmp_path, "test"))) == set(texts(test))  # files and records alike


def test_groups_share_a_side() -> None:
    rows = [{"text": f"text {i}", "group": f"g{i // 5}", "label": i % 2} for i in range(50)]
    train, test = open_text(rows, "train"), open_text(rows, "test")
    numbers = [{int(text.split()[1]) // 5 for text in texts(side)} for side in (train, test)]
    assert not numbers[0] & numbers[1] and len(numbers[1]) == 2 and len(test) == 10
    assert train.labels.tolist() == [int(text.split()[1]) % 2 for text in texts(train)]


def test_a_part_is_as_if_it_had_been_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    rows = [
        "\n".join(" ".join(rng.choices("abcdefghij", k=rng.randrange(5))) for _ in range(rng.randrange(4)))
        for _ in range(60)
    ]
    whole = open_text(rows, "all")
    index = np.flatnonzero(np.random.default_rng(0).random(60) < 0.4)
    expected = open_text([rows[i] for i in index], "all")
    same(part(whole, index), expected)
    monkeypatch.setattr("selftaught.data.text.part.TOGETHER", 3)
    monkeypatch.setenv("SELFTAUGHT_CACHE", os.environ["SELFTAUGHT_CACHE"] + "-2")
    same(part(Corpus.of(rows, tokens="words", lower=True), index), expected)


def test_the_cache_is_used_and_made_again_when_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("one two two")
    first = Corpus.of(["one two two"], tokens="words", lower=True)
    same(open_text(tmp_path / "a.txt", "all"), first)
    (kept,) = (cache.folder() / "corpora").glob("*.corpus")
    whole = kept.read_bytes()
    assert read(kept) is not None
    with monkeypatch.context() as patch:
        patch.setattr(material.Files, "fill", None)
        same(open_text(tmp_path / "a.txt", "all"), first)  # read from the cache
        os.utime(tmp_path / "a.txt", (1, 1))
        (tmp_path / "a.txt").rename(tmp_path / "b.txt")
        same(open_text(tmp_path / "b.txt", "all"), first)  # content counts, not name and time
    spots = [0, 25, 60, 4096, 4100, len(whole) - 1]
    for broken in (whole[:4200], b"", whole[:-1], *(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in spots)):
        kept.write_bytes(broken)
        assert read(kept) is None
        same(open_text(tmp_path / "b.txt", "all"), first)
        assert kept.read_bytes() == whole
    (tmp_path / "b.txt").write_text("two one one")  # same size
    assert list(open_text(tmp_path / "b.txt", "all").words) == ["one", "two"]
    assert place("x") != place("y")


def test_options_are_part_of_the_key() -> None:
    data = ["A b\nc", "d"]
    found = [
        open_text(data, "all"),
        open_text(data, "all", lower=False),
        open_text(data, "all", tokens="characters"),
        open_text(data, "all", 1),
    ]
    assert len({corpus.fingerprint for corpus in found}) == 4
    assert len(list((cache.folder() / "corpora").glob("*.corpus"))) == 4
    assert open_text(list(data), "all").fingerprint == found[0].fingerprint


def test_a_cache_without_room_says_so(own_cache: Path) -> None:
    own_cache.rmdir()
    own_cache.write_text("")
    with pytest.raises(cache.Unwritable, match="SELFTAUGHT_CACHE"):
        open_text(["a"], "all")


def test_unknown_options() -> None:
    for arguments in ({"split": "val"}, {"tokens": "word"}, {"errors": "ignore"}, {"limit": 0}):
        with pytest.raises(UserError):
            open_text(["a"], **arguments)


def test_progress_ends_at_the_total(two: Path) -> None:
    seen: list[tuple[int, int]] = []
    open_text(two, "all", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] and all(done <= total for done, total in seen)


def test_counts_are_those_of_a_counter(tmp_path: Path) -> None:
    rng = random.Random(1)
    rows = [" ".join(f"w{int(rng.paretovariate(0.6)) % 5000}" for _ in range(300)) for _ in range(100)]
    corpus = open_text(rows, "all")
    expected = Counter(word for row in rows for word in row.split())
    assert dict(zip(corpus.words, corpus.counts.tolist(), strict=True)) == expected
    assert (np.diff(corpus.counts) <= 0).all()
    assert np.array_equal(np.bincount(corpus.ids), corpus.counts)


def test_catalog_names_are_opened(monkeypatch: pytest.MonkeyPatch, two: Path) -> None:
    found = catalog.get("sotu")
    monkeypatch.setattr(found, "files", lambda progress: two)
    monkeypatch.setattr(catalog, "listed", lambda: {"toy": "text"})
    monkeypatch.setattr(catalog, "get", lambda name: found)
    assert open_text("toy", "all").classes == ("bad", "good")


def test_mutated_files_give_a_corpus_or_one_sentence(tmp_path: Path) -> None:
    """1,000 files with bytes flipped, cut and inserted: text, JSON Lines, and both compressed."""
    rng = random.Random(0)
    text = "The quick brown fox – 素早い茶色の狐\njumps over 12 don't\n" * 3
    rows = "".join(json.dumps({"text": line, "label": i % 2}) + "\n" for i, line in enumerate(text.splitlines()))
    seeds = {"a.txt": text.encode(), "a.jsonl": rows.encode()}
    seeds |= {f"{name}.gz": gzip.compress(data) for name, data in seeds.items()}
    good, told = 0, list[str]()
    for _ in range(1000):
        name = rng.choice(list(seeds))
        data = bytearray(seeds[name])
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            what = rng.randrange(4)
            if what == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif what == 1:
                data[at : at + rng.randrange(1, 20)] = b""
            elif what == 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
            else:
                data = data[: at + 1]
            data = data or bytearray(b"x")
        (tmp_path / name).write_bytes(data)
        try:
            corpus = open_text(tmp_path / name, "all", errors=rng.choice(["strict", "replace"]))
        except UserError as error:
            told.append(str(error))
        else:
            good += 1
            assert len(corpus.ids) == corpus.counts.sum() == corpus.sentences[-1]
    assert 100 < good < 900
    assert not any("\n" in sentence for sentence in told)


def test_a_limit_draws_from_every_class(tmp_path: Path) -> None:
    rows = [{"text": f"text number {i}", "label": "ab"[i >= 80]} for i in range(100)]
    few = open_text(rows, "all", 10)
    assert np.bincount(few.labels).tolist() == [8, 2]
    assert few.names(np.arange(10)) == [f"record {text.split()[-1]}" for text in texts(few)]
    assert texts(open_text(rows, "all", 10, seed=1)) != texts(few)
    for row in rows:
        (tmp_path / row["label"]).mkdir(exist_ok=True)
        (tmp_path / row["label"] / f"{row['text'][12:]}.txt").write_text(row["text"])
    for split in ("all", "train"):
        read = open_text(tmp_path, split, 10)
        assert len(read) == 10 and np.bincount(read.labels).tolist() == [8, 2]
        names = [f"{'ab'[label]}/{text[12:]}.txt" for label, text in zip(read.labels, texts(read), strict=True)]
        assert read.names(np.arange(10)) == names
    (tmp_path / "a" / "empty.txt").write_text("...")  # no document
    whole = open_text(tmp_path, "all")
    assert whole.names(np.array([0, 80])) == ["a/0.txt", "b/80.txt"]


def test_groups_are_a_column_a_file_or_a_pattern(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "who": f"w{i % 10}", "label": i % 2} for i in range(50)]
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "who.txt").write_text("".join(f"{row['who']}\n" for row in rows))
    folder = tmp_path / "folder"
    folder.mkdir()
    for row in rows:
        (folder / f"{row['who']}_{row['text'][5:]}.txt").write_text(row["text"])
    cases = [(rows, "who"), (lines, "who"), (lines, tmp_path / "who.txt"), (rows, [row["who"] for row in rows])]
    for data, groups in [*cases, (folder, "(.*)_")]:
        train, test = (open_text(data, split, groups=groups) for split in ("train", "test"))
        held = {int(text.split()[1]) % 10 for text in texts(test)}
        assert len(held) == 2 and len(test) == 10 and len(train) == 40
        assert not held & {int(text.split()[1]) % 10 for text in texts(train)}
        assert data is folder or {who % 2 for who in held} == {0, 1}
    for data in (rows, lines):
        with pytest.raises(UserError, match="there is no column 'video' to group by, but text, who, label"):
            open_text(data, "all", groups="video")
    with pytest.raises(UserError, match="it has no columns"):
        open_text(["a b", "c d"], "all", groups="video")
    (tmp_path / "who.txt").write_text("a\nb\n")
    with pytest.raises(UserError, match=r"50 samples of .*: give one group per sample"):
        open_text(lines, "all", groups=tmp_path / "who.txt")
