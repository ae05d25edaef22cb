"""The verb finetune: what it prints and leaves, what continues, and what is refused."""

from __future__ import annotations

import io
import json
import os
import shutil
from unittest.mock import patch

import numpy as np
import pytest
from data.image.boxes import made as boxes
from PIL import Image

import selftaught
from selftaught import ask
from selftaught.cli import main
from selftaught.config import tasks
from selftaught.errors import UserError
from selftaught.run import RunFolder

PLAN = ["--labels", "10%", "all", "--seeds", "1", "--steps", "3", "--lr", "0.01"]


@pytest.fixture(scope="module")
def left(original, tmp_path_factory):
    """The folder that fine-tuning leaves."""
    out = tmp_path_factory.mktemp("tuned") / "run"
    assert main(["finetune", str(original), "digits", *PLAN, "--out", str(out)]) == 0
    return out


@pytest.fixture
def tuned(left, tmp_path):
    return shutil.copytree(left, tmp_path / "copy")


def test_every_side_has_a_row(left, capsys):
    capsys.readouterr()
    found = RunFolder.open(left).summary["finetune"]
    assert [(labels, side) for labels, sides in found["rows"].items() for side in sides] == [
        (labels, side) for labels in ("10%", "all") for side in ("frozen", "tuned", "scratch")
    ]
    assert found["task"] == "classification" and found["kept"]["side"] == "tuned" and found["kept"]["labels"] == "all"
    assert found["rows"]["all"]["frozen"]["accuracy"]["mean"] > 40
    lines = (left / "finetune.jsonl").read_text().splitlines()
    assert len(lines) == 6 and json.loads(lines[0])["side"] == "frozen"


def test_what_is_left_names_classes_and_gives_features(tuned, original, capsys):
    assert main(["predict", str(tuned), "digits", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out.splitlines()[0])["labels"][0] in [str(digit) for digit in range(10)]
    assert "labelled images" in printed.err
    assert main(["embed", str(tuned), "digits", "--limit", "5", "--out", str(tuned / "x.npy")]) == 0
    loaded = selftaught.load(tuned)
    weights = loaded.encoder.state_dict()
    before = selftaught.load(original).encoder.state_dict()
    assert any(not (weights[name] == before[name]).all() for name in weights)
    assert all((weights[name] == loaded.method().encoder.state_dict()[name]).all() for name in weights)


def test_neither_the_run_nor_the_data_are_needed_to_predict(tuned, capsys):
    folder = RunFolder.open(tuned)
    moved = folder.config | {"init": "gone", "data": folder.config["data"] | {"source": "/gone"}}
    folder.write_config(moved)
    capsys.readouterr()
    assert main(["predict", str(tuned), "digits"]) == 0


def test_what_was_finished_is_not_repeated(tuned, original, capsys):
    lines = (tuned / "finetune.jsonl").read_bytes().splitlines(keepends=True)
    (tuned / "finetune.jsonl").write_bytes(b"".join(lines[:5]) + lines[5][:7])  # killed while the last was written
    capsys.readouterr()
    assert main(["finetune", str(original), "digits", *PLAN, "--out", str(tuned), "--resume"]) == 0
    told = capsys.readouterr().err
    assert told.count(" seed 0: ") == 1 and "scratch, all labels, seed 0" in told
    now = (tuned / "finetune.jsonl").read_bytes().splitlines(keepends=True)
    assert now[:5] == lines[:5]
    assert json.loads(now[5]) | {"seconds": 0} == json.loads(lines[5]) | {"seconds": 0}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["RUN"], "no data is given: selftaught finetune RUN DATA"),
        (["RUN", "classification"], "no data is given"),
        (["RUN", "classify", "digits"], "unknown task 'classify': did you mean 'classification'?"),
        (["RUN", "digits", "--seeds", "0"], "seeds must be at least 1, not 0"),
        (["RUN", "sotu"], "holds documents, not images|documents"),
        (["RUN", "digits", "--labels", "all", "--out", "OUT", "--resume"], "was started with another encoder, task"),
        (["RUN", "digits", "--out", "OUT"], "already exists"),
    ],
)
def test_bad_input_is_one_sentence(tuned, original, words, said, capsys):
    places = {"RUN": str(original), "OUT": str(tuned)}
    capsys.readouterr()
    assert main(["finetune", *(places.get(word, word) for word in words)]) == 2
    error = capsys.readouterr().err
    assert any(part in error for part in said.split("|")), error
    assert "Traceback" not in error


def test_a_fine_tuned_run_is_continued_by_its_own_verb(tuned, capsys):
    capsys.readouterr()
    assert main(["resume", str(tuned)]) == 2
    assert "is a fine-tuned run: continue it with selftaught finetune" in capsys.readouterr().err


def test_damaged_weights_are_told(tuned, capsys):
    (tuned / "method.safetensors").write_bytes(b"no")
    capsys.readouterr()
    assert main(["predict", str(tuned), "digits"]) == 2
    assert "method.safetensors cannot be read: fine-tune again" in capsys.readouterr().err


def test_options_of_a_task_are_checked():
    with pytest.raises(UserError, match="unknown option of the task classification 'size'"):
        tasks.build("classification", {"size": 3})
    with pytest.raises(UserError, match="unknown task 'classificatoin': did you mean 'classification'"):
        tasks.build("classificatoin", {})


@pytest.fixture(scope="module")
def detector(original, tmp_path_factory):
    """What fine-tuning for detection leaves: bright squares on dark pictures, by an encoder of digits."""
    pytest.importorskip("pycocotools", reason="needs the extra [detection]")
    data, out = tmp_path_factory.mktemp("squares"), tmp_path_factory.mktemp("detector") / "run"
    for part, count in (("train", 10), ("test", 4)):
        rows = []
        for i in range(count):
            pixels = np.random.default_rng(100 * count + i).integers(0, 60, (48, 64), np.uint8)
            pixels[10 : 30 + i % 3, 5 + i : 25 + i] = 230
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            rows.append({"image": file.getvalue(), "boxes": [[5 + i, 10, 25 + i, 30 + i % 3]], "labels": [0]})
        rows[0]["boxes"].append([9, 9, 1, 1])
        rows[0]["labels"].append(0)
        boxes.parquet(data / f"{part}.parquet", rows)
    words = ["--seeds", "1", "--steps", "3", "--lr", "0.002", "--size", "64", "--width", "8", "--depth", "1"]
    assert main(["finetune", str(original), "detection", str(data), *words, "--out", str(out)]) == 0
    return out, data


def test_detection_leaves_a_run_with_its_precision_and_pictures(detector, tmp_path, capsys):
    out, _ = detector
    found = RunFolder.open(out).summary["finetune"]
    assert found["metrics"] == ["AP", "AP50", "AP75"] and list(found["rows"]) == ["all"]
    assert list(found["rows"]["all"]) == ["frozen", "tuned", "scratch"]
    examples = RunFolder.open(out).read_json("examples.json")
    assert len(examples["rows"]) == 4 and examples["classes"] == ["0"]
    capsys.readouterr()
    assert main(["report", str(out)]) == 0
    page = (out / "report.html").read_text()
    assert 'id="detection"' in page and 'id="finetune"' in page and examples["rows"][0]["uri"][:60] in page
    assert main(["embed", str(out), "digits", "--limit", "3", "--out", str(tmp_path / "x.npy")]) == 0


def test_what_is_wrong_with_boxes_is_told_in_the_first_line(detector, original, capsys):
    _, data = detector
    capsys.readouterr()
    assert main(["finetune", str(original), "detection", str(data), "--levels", "9"]) == 2
    assert "levels must be 1, 2 or 3, not 9" in capsys.readouterr().err
    assert main(["finetune", str(original), "detection", str(data), "--groups", "name"]) == 2
    assert "groups has no effect on detection" in capsys.readouterr().err
    words = ["--sides", "frozen", "--seeds", "1", "--steps", "1", "--width", "8", "--depth", "1", "--lr", "0.1"]
    assert main(["finetune", str(original), "detection", str(data), *words, "--out", str(data / "out")]) == 0
    told = capsys.readouterr().err
    assert "10 training and 4 test images" in told
    assert "1 box left out: 1 reversed (row 0: 9 9 1 1)" in told


def test_a_detector_gives_boxes_in_pixels(detector, tmp_path, capsys):
    out, data = detector
    words = ["predict", str(out), str(data / "test.parquet")]
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 4 and all(len(line["boxes"]) == len(line["labels"]) for line in lines)
    boxes = [box for line in lines for box in line["boxes"]]
    assert all(0 <= left <= right <= 64 and 0 <= top <= bottom <= 48 for left, top, right, bottom in boxes)
    assert main([*words, "--out", str(tmp_path / "boxes.csv"), "--threshold", "0.06"]) == 0
    header, *rows = (tmp_path / "boxes.csv").read_text().splitlines()
    assert header == "sample,label,probability,left,top,right,bottom"
    assert len(rows) == sum(p >= 0.06 for line in lines for p in line["probabilities"])
    capsys.readouterr()
    assert main([*words, "-k", "2"]) == 2
    assert "-k, --column and --errors have no effect" in capsys.readouterr().err
    assert main([*words, "--threshold", "2"]) == 2


def test_only_a_detector_locates(tuned):
    with pytest.raises(UserError, match="finds no objects: locate with a run of 'selftaught finetune RUN detection"):
        next(ask.locate(tuned, "digits"))
    assert not ask.locates(tuned)


def test_the_options_of_a_task_are_in_its_help(original, capsys):
    with patch.dict(os.environ, COLUMNS="300"):
        assert main(["finetune", str(original), "detection", "--help"]) == 0
        told = capsys.readouterr().out
        assert "--levels" in told and "Number of feature maps that objects are found on" in told
        assert main(["finetune", "--help"]) == 0
        assert "--levels" not in capsys.readouterr().out
