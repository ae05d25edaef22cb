"""ARPA files: a naive reader finds in them what the model says, and ours reads what other tools write."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import pytest

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.export import arpa
from selftaught.method import BacksOff, Clock, Scores
from selftaught.methods.language.ngram import NGram

TEXT = ["the cat sat on the mat\nthe cat ate\na dog sat on a cat\nthe dog ate the mat\nonce\nzebras twice"]
SENTENCES = ["the cat sat on a mat", "a zebra ate the dog", "mat", "the the the", "unheard of words", "the cat ate"]


def model(min_count: int = 2, **arguments: Any) -> NGram:
    corpus = Corpus.of(TEXT)
    method = NGram(encoders.build("bag", corpus.input(), min_count=min_count), **arguments)
    method.prepare(corpus)
    method.advance(Clock(0, 1), 0.0, 0)
    return method


def naive(text: str, sentence: str) -> float:
    """log P of a sentence, by nothing but the definition of the format."""
    grams = {}
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) > 1:
            grams[fields[1]] = float(fields[0]), float(fields[2]) if len(fields) > 2 else 0.0
    order = max(len(gram.split()) for gram in grams)

    def p(words: list[str]) -> float:
        if " ".join(words) in grams:
            return grams[" ".join(words)][0]
        return grams.get(" ".join(words[:-1]), (0.0, 0.0))[1] + p(words[1:])

    known = [word if word in grams else "<unk>" for word in sentence.split()]
    words = ["<s>", *known, "</s>"]
    return math.log(10) * sum(p(words[max(0, i - order + 1) : i + 1]) for i in range(1, len(words)))


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("smoothing", ["kneser-ney", "modified-kneser-ney", "witten-bell"])
def test_a_naive_reader_finds_the_probabilities_of_the_model(tmp_path: Path, smoothing: str, order: int) -> None:
    method = model(order=order, smoothing=smoothing)
    assert isinstance(method, BacksOff)
    sizes = arpa.write(tmp_path / "a.arpa", method)
    text = (tmp_path / "a.arpa").read_text()
    assert len(sizes) == order and text.startswith(f"\\data\\\nngram 1={sizes[0]}\n") and text.endswith("\n\\end\\\n")
    ours = arpa.read(tmp_path / "a.arpa")
    assert isinstance(ours, Scores) and len(ours.grams) == sum(sizes)
    for sentence in SENTENCES:
        expected = sum(p for _, p in method.score(sentence))
        assert naive(text, sentence) == pytest.approx(expected, abs=1e-6)
        assert sum(p for _, p in ours.score(sentence)) == pytest.approx(expected, abs=1e-6)
        assert ours.unknown(sentence) == method.unknown(sentence)


def test_compressed(tmp_path: Path) -> None:
    arpa.write(tmp_path / "a.arpa", model())
    arpa.write(tmp_path / "a.arpa.gz", model())
    assert gzip.decompress((tmp_path / "a.arpa.gz").read_bytes()) == (tmp_path / "a.arpa").read_bytes()
    assert arpa.read(tmp_path / "a.arpa.gz").grams == arpa.read(tmp_path / "a.arpa").grams


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="add-k has no back-off weights"):
        arpa.write(tmp_path / "a.arpa", model(smoothing="add-k"))
    corpus = Corpus.of([["<s>", "a", "<s>", "a"]])
    method = NGram(encoders.build("bag", corpus.input(), min_count=1))
    method.prepare(corpus)
    method.advance(Clock(0, 1), 0.0, 0)
    with pytest.raises(UserError, match="the word '<s>' means something else"):
        arpa.write(tmp_path / "a.arpa", method)
    assert not list(tmp_path.iterdir())


OTHERS = """made by hand

\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1\t</s>
-99 <s> -0.5
-0.3\ta\t-0.25
-2\t<unk>

\\2-grams:
-0.1 <s> a
-0.2\ta </s>

\\end\\
"""


def test_a_file_of_another_tool(tmp_path: Path) -> None:
    (tmp_path / "a.arpa").write_text(OTHERS)
    ours = arpa.read(tmp_path / "a.arpa")
    base10 = [(token, round(p / math.log(10), 9)) for token, p in ours.score("a a b")]
    assert base10 == [("a", -0.1), ("a", -0.55), ("b", -2.25), ("</s>", -1.0)] and ours.order == 2


@pytest.mark.parametrize(("old", "new", "said"), [
    ("\\data\\", "", "no .data"),
    ("ngram 2=2", "ngram 2=3", "line 17: not a number"),
    ("-0.1 <s> a", "-0.1 <s>", "line 14"),
    ("-0.3\ta", "x\ta", "line 10"),
    ("\\end\\\n", "", "expected .end., not 'the end of the file'"),
    ("\\2-grams:", "\\3-grams:", "line 13: expected .2-grams:"),
    ("-0.3\ta", "nan\ta", "line 10"),
])  # fmt: skip
def test_damaged_files(tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "a.arpa").write_text(OTHERS.replace(old, new))
    with pytest.raises(UserError, match=said):
        arpa.read(tmp_path / "a.arpa")


def test_what_was_read_is_written_again(tmp_path: Path) -> None:
    for number, content in enumerate((OTHERS, OTHERS.replace("<unk>", "<UNK>").replace("a </s>", "<UNK> </s>"))):
        (tmp_path / "a.arpa").write_text(content)
        ours = arpa.read(tmp_path / "a.arpa")
        assert isinstance(ours, BacksOff) and ours.words == ["a"]
        assert arpa.write(tmp_path / "b.arpa.gz", ours) == [4, 2]
        again = arpa.read(tmp_path / "b.arpa.gz")
        assert again.grams.keys() == ours.grams.keys()
        for gram, values in ours.grams.items():
            assert again.grams[gram] == pytest.approx(values, abs=1e-7), gram
        # after <UNK> the bigram of <UNK> counts
        assert round(ours.score("b")[1][1] / math.log(10), 9) == (-0.2 if number else -1.0)
