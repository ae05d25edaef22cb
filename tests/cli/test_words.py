"""The verbs that ask word vectors, on an encoder's file, on files of other tools, and on what is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from selftaught import encoders
from selftaught.cli import main
from selftaught.evaluate.words import Tests, answers, judge, nearest
from selftaught.export import vectors as files
from selftaught.parts.word_vectors import WordVectors
from selftaught.pretraining.weights import word_vectors

WORDS = ("man", "woman", "king", "queen", "bank", "banks", "river")
STEPS = [[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1], [-1, 0, 0.2], [-1, 0.1, 0.2], [-1, 0.5, 0.1]]
TESTS = Tests(
    {"wordsim353": [("man", "king", 6.0), ("bank", "banks", 9.0), ("man", "bank", 1.0), ("man", "zoo", 1.0)]},
    {
        "family": [("man", "woman", "king", "queen")],
        "gram1": [("man", "woman", "king", "zoo")],
    },
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder.safetensors of planted vectors."""
    torch.manual_seed(0)
    seen = {
        "kind": "text",
        "tokens": "words",
        "lower": True,
        "words": list(WORDS),
        "counts": [90, 80, 70, 60, 50, 40, 30],
    }
    network = encoders.build("lookup", seen, dim=3)
    with torch.no_grad():
        network.table.copy_(torch.tensor(STEPS))
    path = tmp_path_factory.mktemp("words") / "encoder.safetensors"
    path.write_bytes(encoders.save(network))
    return path


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == code
    out, err = capsys.readouterr()
    return err if code else out


def test_neighbours_of_several_words_stand_side_by_side(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    lines = said(capsys, "neighbours", weights, "bank", "queen", "--k", "2").splitlines()
    assert lines[0].split() == ["bank", "queen"]
    expected = [nearest(word_vectors(weights), word, 2) for word in ("bank", "queen")]
    for i, line in enumerate(lines[1:]):
        assert line.split() == [part for near in expected for part in (f"{near[i][1]:.3f}", near[i][0])]
    assert len(lines) == 3
    found = json.loads(said(capsys, "neighbours", weights, "bank", "--json"))
    assert [entry["word"] for entry in found["bank"]] == [word for word, _ in nearest(word_vectors(weights), "bank")]
    assert len(found["bank"]) == 6  # fewer words than neighbours asked for


@pytest.mark.parametrize("method", ["add", "mul"])
def test_analogy_answers(capsys: pytest.CaptureFixture[str], weights: Path, method: str) -> None:
    lines = said(capsys, "analogy", weights, "man", "Woman", "king", "--method", method, "--k", "3").splitlines()
    assert lines[0].split() == ["man", ":", "Woman", "::", "king", ":", "?", "score"]
    expected = answers(word_vectors(weights), "man", "woman", "king", 3, method=method)  # type: ignore[arg-type]
    assert [line.split() for line in lines[1:]] == [[word, f"{score:.3f}"] for word, score in expected]
    assert expected[0][0] == "queen"
    found = json.loads(said(capsys, "analogy", weights, "man", "woman", "king", "--method", method, "--json"))
    assert found[0]["word"] == "queen"
    assert len(found) == 4


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin", "vectors.vec", "vectors.safetensors"])
def test_foreign_files_are_asked_alike(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path, name: str
) -> None:
    files.write(tmp_path / name, word_vectors(weights))
    for asked in (["neighbours", "bank"], ["analogy", "man", "woman", "king"]):
        ours, theirs = (said(capsys, asked[0], path, *asked[1:]) for path in (weights, tmp_path / name))
        assert ours == theirs


@pytest.mark.parametrize(("words", "sentence"), [
    (["neighbours", "banc"], "'banc' is not among the 7 words; similar words are 'bank', 'banks'"),
    (["neighbours", "bank", "xylophone"], ("'xylophone' is not among the 7 words: it did not occur in training, or "
                                          "too rarely")),
    (["neighbours"], "no word is given"),
    (["neighbours", "bank", "--k", "0"], "at least 1, not 0"),
    (["analogy", "man", "woman", "kink"], "similar words are 'king'"),
    (["analogy", "man", "womann", "kink"], "similar words are 'woman'; 'kink' is not among the 7 words"),
    (["analogy", "man", "woman"], "requires an argument"),
    (["analogy", "man", "woman", "king", "--method", "times"], "method"),
])  # fmt: skip
def test_bad_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str], weights: Path, words: list[str], sentence: str
) -> None:
    told = said(capsys, words[0], weights, *words[1:], code=2)
    assert sentence in told
    assert len(told.splitlines()) == 1


def test_what_has_no_word_vectors_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "does not exist" in said(capsys, "neighbours", tmp_path / "none", "bank", code=2)
    assert "not a run folder" in said(capsys, "neighbours", tmp_path, "bank", code=2)
    image = encoders.build(
        "conv", {"kind": "image", "size": 8, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}, width=4, depth=2
    )
    (tmp_path / "image.safetensors").write_bytes(encoders.save(image))
    assert "no word vectors" in said(capsys, "analogy", tmp_path / "image.safetensors", "a", "b", "c", code=2)


def test_probe_of_vectors_asks_people(
    capsys: pytest.CaptureFixture[str], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tests, "standard", classmethod(lambda cls: TESTS))
    found = json.loads(said(capsys, "probe", weights, "--json"))["words"]
    expected = judge(word_vectors(weights), tests=TESTS)
    assert found["wordsim353"]["trained"] == pytest.approx(expected["wordsim353"]["trained"])
    assert found["analogies"]["trained"] == 100
    assert found["analogies"]["untrained"] in (0, 100)
    lines = said(capsys, "probe", weights).splitlines()
    assert lines[0].split() == ["words", "trained", "untrained", "used"]
    assert lines[1].split()[:6] == ["WordSim-353,", "rank", "correlation", "x", "100", "100.0"]
    assert lines[1].endswith("3 of 4")
    assert "family" not in "".join(lines)
    assert any(line.split()[0] == "family" for line in said(capsys, "probe", weights, "--sections").splitlines()[1:])


def test_probe_of_labelled_text_classifies_it(
    capsys: pytest.CaptureFixture[str], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from selftaught.data.text.corpus import Corpus
    from selftaught.data.text.kind import Text
    from selftaught.pretraining import load

    rng = np.random.default_rng(0)

    def some(n: int) -> Corpus:
        labels = rng.integers(0, 2, n)
        texts = [
            [*rng.choice(WORDS[:4] if label else WORDS[4:], 5), f"only{rng.integers(1 << 40)}"] for label in labels
        ]
        return Corpus.of(texts, labels.tolist(), lower=True)

    train, test = some(80), some(40)
    monkeypatch.setattr(Text, "open", lambda self, data, split, *_: train if split == "train" else test)
    found = {pool: load(weights).probe("mine", pool=pool) for pool in ("mean", "sif")}  # type: ignore[arg-type]
    for pool, result in found.items():
        assert result["protocol"]["pool"] == pool
        assert result["linear"]["trained"] == 100
        assert result["data"] == "mine"
        assert "words" not in result


def test_vectors_and_their_file_are_one(weights: Path, tmp_path: Path) -> None:
    x = WordVectors(("a", "b"), np.eye(2, dtype=np.float32))
    files.write(tmp_path / "v.safetensors", x)
    np.testing.assert_array_equal(word_vectors(tmp_path / "v.safetensors").matrix, x.matrix)
    np.testing.assert_allclose(word_vectors(weights).matrix, np.asarray(STEPS, np.float32))


def test_of_several_words_the_known_are_answered(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    assert main(["neighbours", str(weights), "banc", "bank", "qqq", "queen", "--k", "1"]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split() == ["bank", "queen"] and len(out.splitlines()) == 2
    assert [line.split("is not")[0] for line in err.splitlines()] == ["selftaught: 'banc' ", "selftaught: 'qqq' "]
    assert main(["neighbours", str(weights), "banc", "bank", "--json"]) == 2
    assert list(json.loads(capsys.readouterr().out)) == ["bank"]
    assert main(["neighbours", str(weights), "banc", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {}


def test_words_that_are_not_utf8(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "x.vec"
    path.write_bytes(b"3 2\nthe 1 2\nd\xe9 3 4\ncat 5 6\n")
    for verb, *words in (
        ("neighbours", "cat"),
        ("analogy", "the", "cat", "the"),
        ("export", "--out", tmp_path / "y.txt"),
    ):
        told = said(capsys, verb, path, *words, code=2)
        assert "line 3: the word is not UTF-8 text; read it with --errors replace" in told
        said(capsys, verb, path, *words, "--errors", "replace")
    assert files.read(tmp_path / "y.txt").words == ("the", "d\ufffd", "cat")


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin", "vectors.safetensors"])
def test_a_file_of_vectors_is_judged_and_shown(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(Tests, "standard", classmethod(lambda cls: TESTS))
    monkeypatch.setattr("selftaught.report.sections.word_map.has_tsne", lambda: False)
    path = tmp_path / name
    files.write(path, word_vectors(weights))
    ours, theirs = (json.loads(said(capsys, "probe", file, "--json"))["words"] for file in (weights, path))
    assert {key: row["trained"] for key, row in ours.items() if "trained" in row} == {
        key: row["trained"] for key, row in theirs.items() if "trained" in row
    }
    assert said(capsys, "report", path) == f"{path}.report.html\n"
    page = (tmp_path / f"{name}.report.html").read_text()
    assert "word_map" in page and '"queen"' in page and "WordSim-353, rank correlation" in page
    assert sorted(p.name for p in tmp_path.iterdir()) == [name, f"{name}.report.html"]


def test_pairs_and_analogies_of_ones_own(capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path) -> None:
    pairs, more, questions = tmp_path / "pairs.tsv", tmp_path / "more.csv", tmp_path / "questions.txt"
    pairs.write_text("# rated\nword 1\tword 2\trating\nman\tking\t6\nbank\tbanks\t9\nman\tbank\t1.5\nman\tzoo\t1\n")
    more.write_text("king, queen, 3\nking, river, 1\n")
    questions.write_text(": royal house\nman woman king queen\n: other\nman woman king zoo\n")
    flags = ["--pairs", str(pairs), str(more), "--analogies", str(questions)]
    found = json.loads(said(capsys, "probe", weights, "--json", *flags))["words"]
    assert (found["pairs.tsv"]["trained"], found["pairs.tsv"]["used"], found["pairs.tsv"]["of"]) == (100, 3, 4)
    assert (found["more.csv"]["used"], found["analogies"]["trained"], found["analogies"]["of"]) == (2, 100, 2)
    assert list(found["sections"]) == ["royal house", "other"] and "wordsim353" not in found
    lines = said(capsys, "probe", weights, "--pairs", pairs).splitlines()
    assert len(lines) == 2 and lines[1].startswith("pairs.tsv, rank correlation x 100")
    for file, content, says in (
        (pairs, "a b 1\na b\n", "line 2: a pair must be two words and a number, not 'a b'"),
        (pairs, "\n", "has no pair of words"),
        (questions, "a b c d\n: x\na b c\n", "line 3: an analogy must be four words, not 'a b c'"),
        (questions, ": x\n", "has no analogy"),
    ):
        file.write_text(content)
        told = said(capsys, "probe", weights, f"--{'pairs' if file is pairs else 'analogies'}", file, code=2)
        assert f"{file}" in told and says in told and told.count("\n") <= 2


def test_texts_are_embedded_with_their_names(capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path) -> None:
    for name, text in (("10/a.txt", "bank"), ("9/b.txt", "king queen"), ("9/empty.txt", "...")):
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_text(text)
    assert main(["embed", str(weights), str(tmp_path / "texts"), "--out", str(tmp_path / "x.npy")]) == 0
    assert "1 of the documents could not be read: no row (9/empty.txt: it has no words)" in capsys.readouterr().err
    vectors = {word: np.array(row, np.float32) for word, row in zip(WORDS, STEPS, strict=True)}
    expected = [vectors["bank"], (vectors["king"] + vectors["queen"]) / 2]
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), expected, rtol=1e-6)
    assert (tmp_path / "x.names.csv").read_text().splitlines()[1:] == ["10/a.txt,0,10", "9/b.txt,1,9"]
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"text": "bank"}\n{"text": "king", "label": "royal"}\n')
    said(capsys, "embed", weights, lines, "--out", tmp_path / "y.npy")
    assert (tmp_path / "y.names.csv").read_text().splitlines()[1:] == [
        "rows.jsonl: record 0,-1,",
        "rows.jsonl: record 1,0,royal",
    ]
