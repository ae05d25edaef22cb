"""The verb export: a run's word vectors in each format, conversions, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selftaught import encoders
from selftaught.cli import main
from selftaught.encoders.lookup import Lookup
from selftaught.export import vectors as files

WORDS = ["the", "don't", "中文", "cat"]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """An encoder.safetensors."""
    seen = {"kind": "text", "tokens": "words", "lower": True, "words": WORDS, "counts": [9, 8, 7, 6]}
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoders.save(encoders.build("lookup", seen, dim=5)))
    return path


def table(weights: Path) -> np.ndarray:
    encoder = encoders.load(weights)
    assert isinstance(encoder, Lookup)
    return encoder.table.detach().numpy()


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == code
    out, err = capsys.readouterr()
    return err if code else out


@pytest.mark.parametrize("name", ["a.txt", "a.vec", "a.bin", "a.safetensors", "a.txt.gz"])
def test_every_format_holds_the_table_and_is_converted_to_every_other(capsys, weights, tmp_path, name):
    out = tmp_path / name
    assert said(capsys, "export", weights, "--out", out) == f"4 x 5 word vectors are in {out}\n"
    assert (
        said(capsys, "export", out, "--out", tmp_path / "b.bin") == f"4 x 5 word vectors are in {tmp_path / 'b.bin'}\n"
    )
    for path in (out, tmp_path / "b.bin"):
        found = files.read(path)
        assert found.words == tuple(WORDS)
        np.testing.assert_array_equal(found.matrix, table(weights))


@pytest.mark.parametrize("name", ["subwords", "lookup"])
@pytest.mark.parametrize("format", ["sentence-transformers", "vec"])
def test_what_is_lost_of_unseen_words_is_said(capsys, weights, tmp_path, name, format):
    seen = encoders.load(weights).spec["input"]
    weights.write_bytes(encoders.save(encoders.build(name, seen, dim=5)))
    capsys.readouterr()
    assert main(["export", str(weights), "--out", str(tmp_path / "out.vec"), "--format", format]) == 0
    out, err = capsys.readouterr()
    assert ("vectors of other words are made of their parts" in out + err) is (name == "subwords")


def test_limit_keeps_the_most_frequent_and_format_goes_before_the_ending(capsys, weights, tmp_path):
    assert said(capsys, "export", weights, "--out", tmp_path / "x.txt", "--limit", "2", "--format", "glove").startswith(
        "2 x 5 "
    )
    lines = (tmp_path / "x.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == WORDS[:2]
    assert said(capsys, "export", weights, "--out", tmp_path / "y.txt", "--limit", "99").startswith("4 x 5 ")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--out", "x.csv"), "must end in .txt, .vec, .bin, .floret, .safetensors"),
        (("--out", "no/x.txt"), "there is no folder no"),
        (("--out", "x.txt", "--format", "csv"), "--format must be"),
        (("--out", "x.txt", "--limit", "0"), "--limit must be at least 1, not 0"),
        ((), "--out"),
    ],
)
def test_bad_input_is_one_sentence(capsys, weights, tmp_path, monkeypatch, flags, says):
    monkeypatch.chdir(tmp_path)
    found = said(capsys, "export", weights, *flags, code=2)
    assert says in found and found.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.safetensors"]


def test_what_has_no_word_vectors(capsys, tmp_path):
    (tmp_path / "x").write_text("It was the best of times\n")
    assert "which is no number" in said(capsys, "export", tmp_path / "x", "--out", tmp_path / "y.txt", code=2)
    assert "does not exist" in said(capsys, "export", tmp_path / "none", "--out", tmp_path / "y.txt", code=2)
    seen = {"kind": "image", "size": 8, "channels": 1, "mean": [0.5], "std": [0.5]}
    (tmp_path / "e.safetensors").write_bytes(encoders.save(encoders.build("conv", seen, width=4)))
    assert said(capsys, "export", tmp_path / "e.safetensors", "--out", tmp_path / "y.txt", code=2)


ARPA = "\\data\\\nngram 1=3\n\n\\1-grams:\n-1\t<unk>\n-0.5\t</s>\n-0.4\ta\n\n\\end\\\n"


def test_an_arpa_file_is_written_again_and_has_no_vectors(capsys, tmp_path):
    (tmp_path / "a.arpa").write_text(ARPA)
    out = tmp_path / "b.arpa.gz"
    assert said(capsys, "export", tmp_path / "a.arpa", "--out", out) == f"3 n-grams of 1 to 1 words are in {out}\n"
    for path in (tmp_path / "a.arpa", out):
        assert said(capsys, "score", path, "a", "--tokens").splitlines()[2:] == ["-0.92  a", "-1.15  </s>"]
    for words in (("neighbours", tmp_path / "a.arpa", "a"), ("probe", tmp_path / "a.arpa"),
                  ("export", tmp_path / "a.arpa", "--out", tmp_path / "x.txt")):  # fmt: skip
        assert "is a language model in the ARPA format" in said(capsys, *words, code=2)


def test_an_arpa_file_that_cannot_be_written_is_said_before_the_work(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "there is no folder no" in said(capsys, "export", "nowhere", "--out", "no/x.arpa", code=2)


def test_a_model_that_counts_starts_from_no_weights(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.arpa").write_text(ARPA)
    (tmp_path / "text.txt").write_text("a b a b\n" * 20)
    found = said(capsys, "pretrain", "ngram", tmp_path / "text.txt", "--init", tmp_path / "a.arpa", code=2)
    assert "init has no effect on encoder bag" in found and found.endswith("'selftaught score FILE'\n")
    found = said(capsys, "pretrain", "word2vec", tmp_path / "text.txt", "--init", tmp_path / "a.arpa", code=2)
    assert "is a language model in the ARPA format" in found


@pytest.fixture
def transformer(tmp_path: Path) -> Path:
    """An encoder.safetensors with a transformer."""
    seen = {"kind": "text", "tokens": "words", "lower": True, "words": WORDS, "counts": [9, 8, 7, 6]}
    path = tmp_path / "transformer.safetensors"
    path.write_bytes(encoders.save(encoders.build("transformer", seen, width=8, depth=1, heads=2, context=8)))
    return path


@pytest.mark.parametrize(("format", "files"), [
    ("hf", {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}),
    ("sentence-transformers", {"modules.json", "config.json", "1_WordWeights", "2_Pooling"}),
])  # fmt: skip
def test_a_model_becomes_a_folder(capsys, transformer, tmp_path, format, files):
    out = tmp_path / "out"
    said_ = said(capsys, "export", transformer, "--out", out, "--format", format)
    assert said_.startswith(f"transformer with its tokenizer is in {out}")
    assert files <= {path.name for path in out.iterdir()}
    for words, sentence in (
        ([], "exists already: choose another --out"),
        (["--limit", "2"], f"--limit has no effect on {format}"),
    ):
        assert sentence in said(capsys, "export", transformer, "--out", out, "--format", format, *words, code=2)


def test_what_cannot_become_a_folder_says_so(capsys, weights, tmp_path):
    said_ = said(capsys, "export", weights, "--out", tmp_path / "out", "--format", "hf", code=2)
    assert "has the encoder lookup, which Hugging Face does not know" in said_ and not (tmp_path / "out").exists()
