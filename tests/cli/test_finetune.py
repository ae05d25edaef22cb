"""The verb finetune: what it prints and leaves, what continues, and what is refused."""

from __future__ import annotations

import json
import shutil

import pytest

import selftaught
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
