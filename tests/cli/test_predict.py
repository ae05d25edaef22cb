"""The verb predict: a run's own classifier, on texts and on pictures."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import selftaught
from selftaught import ask
from selftaught.cli import main
from selftaught.errors import UserError
from selftaught.pretraining import Run

RNG = np.random.default_rng(0)
CLASSES = ("sea", "town, old")


def texts(n: int) -> list[dict[str, str]]:
    return [
        {"text": " ".join(f"{'st'[i % 2]}{k}" for k in RNG.integers(0, 9, 6)), "label": CLASSES[i % 2]}
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    options = {"threads": 1, "lr": 1.0, "epochs": 20, "progress": False, "split": "all", "word_ngrams": 2}
    out = tmp_path_factory.mktemp("run") / "run"
    return selftaught.pretrain(
        "fasttext_classifier", texts(80), out=out, encoder={"name": "lookup", "dim": 6}, **options
    )


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["label", "text"])
        writer.writeheader()
        writer.writerows(texts(10))
    return tmp_path / "rows.csv"


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["predict", *map(str, words)]) == code
    found = capsys.readouterr()
    return found.out, found.err


def test_rows_get_their_classes_without_the_training_data(capsys, run, rows):
    out, err = said(capsys, run.path, rows, "-k", "5")
    found = list(csv.reader(io.StringIO(out)))
    assert found[0] == ["sample", "label", "probability", "label_2", "probability_2"]
    assert [row[0] for row in found[1:]] == [str(i) for i in range(2, 12)]
    assert [row[1] for row in found[1:]] == [CLASSES[i % 2] for i in range(10)]
    assert err == "the most probable class is right for 100.0% of 10 labelled texts\n"
    given = [row["text"] for row in csv.DictReader(io.StringIO(rows.read_text()))]
    expected = run.learned().classify([text.split() for text in given]).exp()
    for row, p in zip(found[1:], expected.tolist(), strict=True):
        assert [float(row[2]), float(row[4])] == pytest.approx(sorted(p, reverse=True), abs=1e-6)


def test_json_lines_files_and_thresholds(capsys, run, rows, tmp_path):
    lines = [json.loads(line) for line in said(capsys, run.path, rows, "--json")[0].splitlines()]
    assert [line["labels"] for line in lines] == [[CLASSES[i % 2]] for i in range(10)]
    out = tmp_path / "found.jsonl"
    assert said(capsys, run.path, rows, "--out", out)[0] == f"the classes of 10 texts are in {out}\n"
    assert [json.loads(line) for line in out.read_text().splitlines()] == lines
    said(capsys, run.path, rows, "--out", tmp_path / "found.csv", "-k", "2", "--threshold", "0.5")
    found = list(csv.reader(io.StringIO((tmp_path / "found.csv").read_text())))
    assert all(row[1] and row[3:] == ["", ""] for row in found[1:])
    said(capsys, run.path, rows, "--out", tmp_path / "none.csv", "--threshold", "1")
    assert (tmp_path / "none.csv").read_text().splitlines()[1] == "2,,"


def test_labelled_lines_and_standard_input(capsys, run, tmp_path, monkeypatch):
    (tmp_path / "x.txt").write_text("__label__sea s1 s2 s3\n__label__sea t1 t2 t3\nt4 t5\n")
    out, err = said(capsys, run.path, tmp_path / "x.txt")
    assert [row.split(",")[1] for row in out.splitlines()[1:]] == ["sea", '"town', '"town']
    assert "right for 50.0% of 2 labelled texts" in err
    for words in ((), ("-",)):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"s1 s2\nt1 t2\n")))
        assert len(said(capsys, run.path, *words)[0].splitlines()) == 3


def test_strings_from_python(run):
    assert [found[0][0] for _, found in ask.predict(run, ["s1 s2", "t1 t2"])] == list(CLASSES)


def test_pictures_get_their_classes(tmp_path, capsys):
    images = np.full((60, 8, 8, 1), 40, np.uint8) + (RNG.integers(0, 20, (60, 8, 8, 1))).astype(np.uint8)
    images[::2] += 150
    labels = np.arange(60) % 2
    np.savez(tmp_path / "x.npz", images=images, labels=labels)
    options = {"steps": 30, "batch_size": 20, "encoder": {"name": "conv", "width": 4, "depth": 1}, "progress": False}
    run = selftaught.pretrain("supervised", tmp_path / "x.npz", out=tmp_path / "run", flip=0, crop=1, **options)
    out, err = said(capsys, run.path, tmp_path / "x.npz")
    assert len(out.splitlines()) == 61
    assert [row.split(",")[1] for row in out.splitlines()[1:]] == [run.classes[label] for label in labels] or (
        float(err.split("for ")[1].split("%")[0]) > 90
    )


@pytest.mark.parametrize(("words", "says"), [
    (["-k", "0"], "k, the number of classes to name, must be at least 1, not 0"),
    (["--threshold", "2"], "threshold must be a probability"),
    (["--out", "x.txt"], "x.txt must end in .csv or .jsonl"),
    (["--out", "no/x.csv"], "there is no folder no"),
    (["--column", "body"], "has no column 'body', but 'label', 'text'"),
])  # fmt: skip
def test_bad_input_is_one_sentence(capsys, run, rows, words, says, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    out, err = said(capsys, run.path, rows, *words, code=2)
    assert says in err and err.count("\n") == 1 and out == ""


def test_a_run_without_classes(run, tmp_path):
    other = selftaught.pretrain(
        "word2vec", ["a b c d"] * 20, out=tmp_path / "run", epochs=1, min_count=1, progress=False, threads=1
    )
    with pytest.raises(UserError, match="word2vec learns no classes: predict with a run of fasttext_classifier or"):
        ask.predict(other, ["a"])
    with pytest.raises(UserError, match="unknown option of reading 'size'"):
        ask.predict(run, ["a"], size=3)
