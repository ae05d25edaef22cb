"""Whatever a user gets wrong is one sentence on stderr and exit code 2, without a traceback."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from selftaught.cli import main
from selftaught.run import RunFolder

TINY = ("--steps", "4", "--batch-size", "16", "--encoder.width", "4", "--limit", "64")


def refused(capsys, *words, code=2):
    """The sentence with which the command line `words` is refused."""
    assert main([str(word) for word in words]) == code
    caught = capsys.readouterr()
    assert caught.out == ""
    lines = [line for line in caught.err.splitlines() if line.startswith("selftaught: ")]
    assert len(lines) == 1, caught.err
    assert "Traceback" not in caught.err
    return lines[0].removeprefix("selftaught: ")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("pretran", "simclr"), 'Unknown command "pretran". Did you mean "pretrain"?'),
        (("pretrain", "simclrr", "digits"), "unknown method 'simclrr': did you mean 'simclr'?"),
        (("pretrain", "simclrr", "digits", "--temperature", "3"), "unknown method 'simclrr': did you mean 'simclr'?"),
        (("pretrain", "simclr", "digts"), "'digits'"),
        (("pretrain", "simclr", "digits", "--temprature", "3"), "Did you mean --temperature?"),
        (("pretrain", "simclr", "digits", "--method.temprature", "3"), "did you mean 'method.temperature'?"),
        (("pretrain", "simclr", "digits", "--recipe.clpi", "3"), "did you mean 'recipe.clip'?"),
        (("pretrain", "simclr", "digits", "--encoder", "resnet81"), ("unknown encoder 'resnet81': did you mean "
                                                                    "'resnet18'?")),
        (("pretrain", "simclr", "digits", "--steps", "many"), "--steps must be a whole number, not 'many'"),
        (("pretrain", "simclr", "digits", "--lr", "high"), "--lr must be a number, not 'high'"),
        (("pretrain", "simclr", "digits", "--schedule", "cosin"), ("--schedule must be one of cosine, linear, step, "
                                                                  "constant, not 'cosin'")),
        (("pretrain", "simclr", "digits", "--steps"), "--steps requires an argument"),
        (("pretrain", "simclr", "digits", "--steps", "0"), "steps must be greater than 0, not 0"),
        (("pretrain", "simclr", "digits", "--steps", "5", "--minutes", "1"), ("give only one of steps, epochs and "
                                                                             "minutes")),
        (("pretrain", "simclr", "digits", "--warmup", "2"), "warmup must be a share of the training"),
        (("pretrain", "simclr", "digits", "--limit", "0"), "limit must be at least 1, not 0"),
        (("pretrain", "simclr", "digits", "--labels", "0/class"), "labels must be at least 1/class, not 0/class"),
        (("pretrain", "simclr", "digits", "--labels", "200%"), ("labels must be more than 0% and at most 100%, not "
                                                               "200%")),
        (("pretrain", "simclr", "digits", "--labels", "some"), "or all, not 'some'"),
        (("pretrain", "supervised", "digits", *TINY, "--labels", "999/class"), "labels 999/class is more than the"),
        (("pretrain", "simclr", "digits", "more"), "more"),
        (("pretrain", "simclr"), "no data is given"),
        (("pretrain",), "no method is given"),
        (("pretrain", "simclr", "digits", "--config", "none.yaml"), ("cannot read the configuration none.yaml: No "
                                                                    "such file")),
        (("pretrain", "simclr", "digits", *TINY, "--init", "nowhere"), "nowhere"),
        (("pretrain", "simclr", "digits", *TINY, "--temperature", "-1"), "temperature"),
        (("pretrain", "simclr", "digits", "--batch-size", "65", "--limit", "64"), ("batch of 65 is larger than the "
                                                                                  "data set of 64")),
        (("pretrain", "simclr", "digits", *TINY, "--device", "cuda:0"), "--device cpu"),
        (("pretrain", "simclr", "digits", *TINY, "--device", "tpu"), "unknown device 'tpu'"),
        (("pretrain", "simclr", "digits", *TINY, "--device", "mps"), "finds no Apple GPU: use --device cpu"),
        (("pretrain", "simclr", "digits", *TINY, "--device", "xpu:1"), "finds no Intel GPU: use --device cpu"),
        (("pretrain", "word2vec", "sotu", "--device", "cuda:3"), "run on the CPU, not on device cuda:3"),
        (("pretrain", "simclr", "digits", *TINY, "--groups", "who"), "digits: a data set of the catalog has its own"),
        (("resume", "nowhere"), "nowhere is not a run folder"),
        (("probe", "nowhere"), "nowhere is not a run folder"),
        (("report", "nowhere"), "nowhere is not a run folder"),
        (("compare", "nowhere"), "nowhere is not a run folder"),
        (("compare",), "no run is given"),
        (("embed", "nowhere", "digits", "--out", "x.csv"), "x.csv must end in .npy, .parquet or .safetensors"),
        (("embed", "nowhere", "digits", "--out", "no/x.npy"), "there is no folder no"),
        (("embed", "nowhere", "digits"), "--out"),
        (("data", "digts"), "unknown data 'digts': did you mean 'digits'?"),
    ],
)  # fmt: skip
def test_one_sentence(capsys, here, words, sentence):
    if "--device" in words and "cuda:0" in words:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
    assert sentence in refused(capsys, *words)
    assert not list(here.glob("runs/*"))  # and nothing is left behind: the corrected command may use the name


def test_yaml_names_file_line_and_key(capsys, here):
    (here / "run.yaml").write_text("recipe:\n  lr: fast\n")
    sentence = refused(capsys, "pretrain", "simclr", "digits", "--config", "run.yaml")
    assert sentence == "run.yaml, line 2: lr must be a number, not 'fast'"


def picture(path, side=12):
    Image.fromarray(np.arange(side * side, dtype=np.uint8).reshape(side, side)).save(path)


@pytest.mark.parametrize(("made", "words"), [("empty", "pictures"), ("unreadable", "pictures"), ("one", "1 samples")])
def test_folders_with_nothing_to_train_on(capsys, here, made, words):
    (here / "pictures").mkdir()
    if made == "unreadable":
        (here / "pictures" / "a.png").write_bytes(b"not an image")
    if made == "one":
        picture(here / "pictures" / "a.png")
    assert words in refused(
        capsys, "pretrain", "simclr", "pictures", "--steps", "2", "--batch-size", "16", "--out", "x"
    )
    assert not (here / "x").exists()


def test_a_run_that_exists(capsys, here, trained, small):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    sentence = refused(capsys, "pretrain", "simclr", "digits", *TINY, "--out", trained)
    assert f"selftaught resume {trained}" in sentence
    sentence = refused(capsys, "pretrain", "simclr", "digits", *small, "--lr", "0.5", "--resume", "--out", trained)
    assert "was started with recipe.lr 0.002, not 0.5" in sentence
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


def test_a_folder_that_is_no_run_is_never_written_to(capsys, here):
    (here / "mine").mkdir()
    (here / "mine" / "thesis.txt").write_text("years of work")
    assert "mine" in refused(capsys, "pretrain", "simclr", "digits", *TINY, "--out", "mine")
    assert "mine" in refused(capsys, "demo", "--data", "digits", "--steps", "4", "--out", "mine")
    assert [p.name for p in (here / "mine").iterdir()] == ["thesis.txt"]


def test_the_demo_replaces_only_a_demo(capsys, here, trained):
    assert "is not a demo" in refused(capsys, "demo", "--data", "digits", "--steps", "4", "--out", trained)
    assert (trained / "encoder.safetensors").exists()


def test_a_run_that_another_process_writes(capsys, unfinished):
    hold = (
        "import fcntl, sys\nf = open(sys.argv[1], 'a')\nfcntl.flock(f, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\nsys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(unfinished / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        assert "is in use by another process" in refused(capsys, "resume", unfinished)
    finally:
        holder.communicate("")


def test_checkpoints_that_are_all_damaged(capsys, unfinished):
    for path in (unfinished / "checkpoints").glob("*/method.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    assert "damaged" in refused(capsys, "resume", unfinished)


def test_data_that_changed(capsys, here):
    np.save(here / "images.npy", np.random.default_rng(0).integers(0, 255, (64, 8, 8), dtype=np.uint8))
    words = (
        "pretrain",
        "rotation",
        "images.npy",
        "--steps",
        "3",
        "--batch-size",
        "16",
        "--encoder.width",
        "4",
        "--out",
        "x",
    )
    assert main([*words]) == 0
    capsys.readouterr()
    RunFolder.open(here / "x").update_summary(finished=False)
    np.save(here / "images.npy", np.zeros((64, 8, 8), dtype=np.uint8))
    assert "this is not the data that x was started with" in refused(capsys, "resume", "x")


def test_a_disk_that_is_full(capsys, here, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("selftaught.checkpoint.write_synced", full)
    sentence = refused(capsys, "pretrain", "simclr", "digits", *TINY, "--out", "x")
    assert "No space left on device" in sentence


def test_a_plain_write_on_a_full_disk(capsys, here, monkeypatch):
    def full(self, line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(RunFolder, "log", full)
    assert "No space left on device" in refused(capsys, "pretrain", "simclr", "digits", *TINY, "--out", "x")


def test_a_loss_that_is_not_finite_is_explained(capsys, here):
    sentence = refused(capsys, "pretrain", "simclr", "digits", *TINY, "--lr", "1e30", "--warmup", "0", code=1)
    assert "not finite" in sentence


def test_debug_shows_the_traceback(here, monkeypatch):
    monkeypatch.setenv("SELFTAUGHT_DEBUG", "1")
    with pytest.raises(ValueError, match="steps must be greater than 0"):
        main(["pretrain", "simclr", "digits", "--steps", "0"])


def test_a_bug_keeps_its_traceback(monkeypatch):
    def broken(name):
        return {}[name]

    monkeypatch.setattr("selftaught.data.catalog.describe", broken)
    with pytest.raises(KeyError):
        main(["data", "digits"])


def test_labels_missing_for_a_probe(capsys, here, trained):
    np.save(here / "images.npy", np.random.default_rng(0).integers(0, 255, (64, 8, 8), dtype=np.uint8))
    sentence = refused(capsys, "probe", trained, "images.npy")
    assert "no labels" in sentence
    assert "probe" not in json.loads((trained / "summary.json").read_bytes())


def test_labels_to_hide_that_are_not_there(capsys, here):
    np.save(here / "images.npy", np.random.default_rng(0).integers(0, 255, (64, 8, 8), dtype=np.uint8))
    sentence = refused(capsys, "pretrain", "supervised", "images.npy", *TINY, "--labels", "10/class", "--out", "x")
    assert sentence == "labels 10/class hides labels, but this data has none: use one folder per class, or omit labels"
    assert not (here / "x").exists()


def test_images_of_other_channels(capsys, here, trained):
    np.save(here / "colour.npy", np.zeros((20, 8, 8, 3), dtype=np.uint8))
    assert "1 channel" in refused(capsys, "embed", trained, "colour.npy", "--out", "x.npy")
