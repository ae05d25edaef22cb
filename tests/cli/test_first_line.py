"""What `pretrain`, `probe` and `embed` say first of the data, and what the command line takes for a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hostile_folder import encoded, noise

from selftaught.cli import main

SMALL = ("--steps", "1", "--batch-size", "4", "--encoder.width", "4")


def pets(root: Path) -> Path:
    """Training/cat, grey, and Training/dog, in colour; Testing/cat, grey; and a folder that is no part."""
    folders = (("Training/cat", 6, 1), ("Training/dog", 6, 3), ("Testing/cat", 4, 1), ("extra", 3, 3))
    for place, (folder, count, channels) in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for i in range(count):
            (root / folder / f"{i}.png").write_bytes(encoded(noise(16, 16, channels, seed=100 * place + i), "PNG"))
    return root


def told(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    """The lines on stderr."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().err.splitlines()


def test_a_run_of_images(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(pets(tmp_path / "digits").parent)
    parts = "2 classes (cat, dog); train is Training, test is Testing; left aside: extra (3)"
    assert told(capsys, "pretrain", "rotation", "./digits", "--out", "run", *SMALL)[0] == f"12 images, {parts}"
    assert told(capsys, "probe", "run")[0] == f"12 training and 4 test images, {parts}"
    grey = told(capsys, "embed", "run", "digits/Testing", "--out", "a.npy")
    assert grey[0] == (
        "4 images, no labels; all of cat; no classes, because they lie in one folder; the images are grey, and the "
        "encoder sees them as colour images"
    )
    assert np.load("a.npy").shape[0] == 4
    same = "digits is the data set of the catalog, and the folder here is ./digits"
    assert told(capsys, "data", "digits")[0] == same
    assert told(capsys, "pretrain", "rotation", "digits", "--out", "other", "--limit", "9", *SMALL)[0] == (
        f"9 images, 10 classes (0, 1, 2, 3, 4, ...); train and test are its own; {same}"
    )


def test_a_run_of_text(capsys, tmp_path):
    for name in ("train/good/a", "train/bad/b", "test/good/c", "more/d"):
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / f"{name}.txt").write_text(f"a text of {name} and some words " * 9)
    words = ("--epochs", "1", "--threads", "1", "--out", tmp_path / "run", "--encoder.dim", "8", "--min-count", "1")
    parts = "2 classes (bad, good); train is train, test is test; left aside: more (1)"
    assert told(capsys, "pretrain", "word2vec", tmp_path / "texts", *words)[0] == f"2 documents, {parts}"


def test_an_error_of_numpy_is_no_sentence_of_ours(capsys, monkeypatch):
    monkeypatch.setattr("selftaught.data.catalog.entries", lambda: np.asarray([[1], [2, 3]]))
    with pytest.raises(ValueError, match="inhomogeneous"):
        main(["data"])
    assert "selftaught: " not in capsys.readouterr().err
