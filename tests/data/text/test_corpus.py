"""A whole text as integers, made in memory."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from selftaught.data.text.corpus import Corpus, Words, counted_in
from selftaught.errors import UserError


def test_ids_by_falling_count_then_by_first_sight() -> None:
    corpus = Corpus.of([["c", "b", "a", "b"], ["a", "d"]])
    assert list(corpus.words) == ["b", "a", "c", "d"] and corpus.counts.tolist() == [2, 2, 1, 1]
    assert corpus.ids.tolist() == [2, 0, 1, 0, 1, 3]
    assert corpus.sentences.tolist() == [0, 4, 6] and corpus.documents.tolist() == [0, 1, 2]
    assert [corpus.size(least) for least in (0, 1, 2, 3)] == [4, 4, 2, 0]
    assert corpus.input(2)["words"] == ["b", "a"] and corpus.input(2)["counts"] == [2, 2]


def test_three_ways_to_give_documents() -> None:
    lines, tokens, nested = (
        Corpus.of(["a b\n\nc", "d"]),
        Corpus.of([["a", "b", "c"], ["d"]]),
        Corpus.of([[["a", "b"], ["c"]], [["d"]]]),
    )
    assert lines.sentences.tolist() == nested.sentences.tolist() == [0, 2, 3, 4]
    assert tokens.sentences.tolist() == [0, 3, 4]
    assert lines.documents.tolist() == nested.documents.tolist() == [0, 2, 3]
    assert lines.text(0) == "a b\nc" and len(lines) == 2
    assert Corpus.of(["A-b"], tokens="words", lower=True).text(0) == "a-b"
    with pytest.raises(UserError, match="it has no words"):
        Corpus.of(["", " "])


def test_fetch_labels_and_the_whole() -> None:
    corpus = Corpus.of(["a", "b b", ""], [1, 0, -1], classes=("x", "y"))
    raw = corpus.fetch(np.array([2, 1]))
    assert raw["text"] == ["", "b b"] and raw["label"].tolist() == [-1, 0] and raw["index"].tolist() == [2, 1]
    hidden = corpus.relabelled(np.array([1, -1, -1]))
    assert (
        hidden.labels.tolist() == [1, -1, -1] and hidden.whole.labels.tolist() == [1, 0, -1] and corpus.whole is corpus
    )
    assert hidden.fingerprint != corpus.fingerprint and hidden.ids is corpus.ids
    other = corpus.with_labels(np.array([0, 0, 1]), ("u", "v"))
    assert other.classes == ("u", "v") and other.whole is other and other.fingerprint != corpus.fingerprint
    with pytest.raises(IndexError):
        corpus.fetch(np.array([3]))


def test_fingerprints_and_digests_follow_the_content() -> None:
    first, again, borders, words = (
        Corpus.of(["a b", "c"]),
        Corpus.of(["a b", "c"]),
        Corpus.of(["a", "b c"]),
        Corpus.of(["a b", "d"]),
    )
    assert first.fingerprint == again.fingerprint
    assert (
        len({first.fingerprint, borders.fingerprint, words.fingerprint, Corpus.of(["a b", "c"], [0, 1]).fingerprint})
        == 4
    )
    same = Corpus.of(["x y", "z", "x y"]).digests
    assert same.shape == (3, 32) and (same[0] == same[2]).all() and (same[0] != same[1]).any()


def test_words_are_a_sequence() -> None:
    words = Words.of(["the", "中", "é"])
    assert (
        list(words) == ["the", "中", "é"] == [words[0], words[-2], words[2]]
        and words[1:] == ["中", "é"]
        and len(words) == 3
    )
    assert "中" in words and words.index("é") == 2
    with pytest.raises(IndexError):
        words[3]
    data, ends = words.taken(np.array([2, 0]))
    assert bytes(data).decode() == "éthe" and ends.tolist() == [0, 2, 5]


def test_a_vocabulary_is_known_by_its_beginning() -> None:
    corpus = Corpus.of(["a a a b b c"])
    assert all(counted_in(corpus, words, "glove") is corpus for words in [("a", "b"), (), ("a", "b", "c")])
    for words in [("b", "a"), ("a", "b", "c", "d")]:
        with pytest.raises(UserError, match="glove must train on the text whose words its encoder has"):
            counted_in(corpus, words, "glove")


def test_what_lies_in_a_file_leaves_memory_and_comes_back(tmp_path: Path) -> None:
    ids = np.arange(100_000, dtype=np.int32)
    (tmp_path / "ids").write_bytes(bytes(64) + ids.tobytes())  # not at the beginning of a page
    with (tmp_path / "ids").open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    mapped = np.frombuffer(whole, np.int32, len(ids), 64)
    zeros = np.zeros(2, np.int64)
    corpus = Corpus(mapped, zeros, zeros, ["a"], np.ones(1, np.int64))

    def resident() -> int:
        """Pages of files in this process's memory, in bytes."""
        return int(Path("/proc/self/statm").read_text().split()[2]) * mmap.PAGESIZE

    assert mapped.sum() == ids.sum()
    before = resident()
    corpus.release(10_000, 90_000)
    assert before - resident() > 250_000
    assert mapped.sum() == ids.sum()
    before = resident()
    corpus.release_all()
    assert before - resident() > 350_000
    assert mapped.sum() == ids.sum()


def test_what_lies_in_memory_stays() -> None:
    corpus = Corpus.of(["a b c"])
    corpus.release(0, 3)
    corpus.release_all()
    assert corpus.text(0) == "a b c"
