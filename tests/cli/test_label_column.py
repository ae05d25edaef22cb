"""--column and --label-column of probe, embed and score: tables that the run was not trained on."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import selftaught
from selftaught.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("label_column") / "run"
    images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3), dtype=np.uint8)
    small: dict[str, Any] = {"encoder": {"name": "conv", "width": 4, "depth": 1}, "batch_size": 16, "steps": 1}
    selftaught.pretrain("rotation", images, out=out, progress=False, **small)
    return out


@pytest.fixture
def table(tmp_path: Path) -> Path:
    with (tmp_path / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file_name", "breed", "label"))
        for i in range(40):
            pixels = np.full((8, 8, 3), 30 + 180 * (i % 2), np.uint8)
            pixels[0, 0] = i
            Image.fromarray(pixels).save(tmp_path / f"{i}.png")
            rows.writerow((f"{i}.png", ("cat", "dog")[i % 2], "same"))
    return tmp_path / "list.csv"


def test_embed(run: Path, table: Path, tmp_path: Path) -> None:
    assert main(["embed", str(run), str(table), "--out", str(tmp_path / "x.npy"), "--label-column", "breed"]) == 0
    rows = (tmp_path / "x.names.csv").read_text().splitlines()
    assert [row.rpartition(",")[2] for row in rows[1:3]] == ["cat", "dog"]


def test_the_samples_of_another_column(run: Path, table: Path, tmp_path: Path) -> None:
    text = table.read_text().replace("file_name", "picture").replace("label\n", "path\n")
    table.write_text(text)
    words = ["embed", str(run), str(table), "--out", str(tmp_path / "x.npy"), "--column"]
    assert main([*words, "picture"]) == 0 and len(np.load(tmp_path / "x.npy")) == 40
    assert main([*words, "path"]) == 2  # which would be taken


def test_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["a b c d e"] * 30
    options: dict[str, Any] = {"progress": False, "epochs": 1}
    selftaught.pretrain("ngram", texts, out=tmp_path / "lm", **options)
    rows = "id,review\n" + "1,a b c\n" * 3
    (tmp_path / "x.csv").write_text(rows)
    words = ["score", str(tmp_path / "lm"), "--file", str(tmp_path / "x.csv"), "--column", "review"]
    assert main([*words, "--perplexity", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == 12
    assert main(words) == 2
    assert "--column has no effect without --perplexity" in capsys.readouterr().err


def test_probe(run: Path, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["probe", str(run), str(table), "--quick", "--json", "--label-column"]
    assert main([*words, "breed"]) == 0
    out, err = capsys.readouterr()
    assert "2 classes (cat, dog)" in err and json.loads(out)["linear"]["trained"] == 100.0
    assert main([*words, "colour"]) == 2
    assert "there is no column 'colour' for --label-column" in capsys.readouterr().err
