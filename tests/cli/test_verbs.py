"""Each verb, on runs of a few steps."""

from __future__ import annotations

import json
import os
import shutil
import signal

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.numpy import load_file

import selftaught
from selftaught import methods
from selftaught.cli import main
from selftaught.cli.verbs.probe import show_results
from selftaught.errors import UserError
from selftaught.pretraining import Run
from selftaught.pretraining.progress import Watch
from selftaught.run import RunFolder

SIDES = ("trained", "untrained", "raw")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """A quick probe that is over in a second."""
    monkeypatch.setattr("selftaught.evaluate.tasks.probe.QUICK", (250, 100))


def said(capsys, *words, code=0):
    """What `words` print on stdout."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == code
    return capsys.readouterr().out


def parsed(capsys, *words):
    return json.loads(said(capsys, *words, "--json"))


def test_methods_tell_name_folder_title_citation_and_arguments(capsys):
    rows = {row["name"]: row for row in parsed(capsys, "methods")}
    assert list(rows) == methods.names()
    simclr = rows["simclr"]
    assert (simclr["folder"], simclr["title"]) == ("contrast", methods.describe("simclr").title)
    assert "2020" in simclr["citation"]
    assert "Chen" in simclr["citation"]
    assert {"name": "temperature", "type": "float"}.items() <= next(
        a for a in simclr["arguments"] if a["name"] == "temperature"
    ).items()
    assert all(row["citation"] or row["name"] == "supervised" for row in rows.values())
    text = said(capsys, "methods")
    assert all(f"\n{name} " in text for name in rows)


def test_data_lists_and_describes(capsys):
    assert "digits" in {row["name"] for row in parsed(capsys, "data")}
    assert "digits" in said(capsys, "data")
    digits = parsed(capsys, "data", "digits")
    assert digits["train"]["samples"] + digits["test"]["samples"] == 1797
    assert "1,437 samples" in said(capsys, "data", "digits")


def test_flags_reach_the_run_in_every_spelling(capsys, tmp_path):
    (tmp_path / "run.yaml").write_text(
        "recipe: {lr: 0.5, clip: 3, warmup: 0.25}\nmethod: {dim: 16, hidden: 24}\nencoder: {width: 4}\n"
    )
    words = (
        "pretrain",
        "simclr",
        "digits",
        "--config",
        tmp_path / "run.yaml",
        "--steps=2",
        "--batch-size",
        "16",
        "--limit",
        "40",
        "--recipe.clip",
        "1",
        "--recipe.weight_decay=0.25",
        "--method.temperature",
        "0.3",
        "--hidden",
        "32",
        "--recipe.no-decay-norm-and-bias",
        "--schedule",
        "step",
        "--betas",
        "0.8",
        "0.9",
        "--recipe.milestones",
        "0.2",
        "0.4",
        "0.6",
        "--encoder.pool",
        "mean",
        "--out",
        tmp_path / "run",
        "--json",
    )
    summary = json.loads(said(capsys, *words))
    assert summary["steps"] == 2
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["method"] | {"temperature": 0.3, "hidden": 32, "dim": 16} == config["method"]
    assert config["encoder"] | {"name": "conv", "width": 4, "pool": "mean"} == config["encoder"]
    wanted = {
        "lr": 0.5,
        "clip": 1.0,
        "warmup": 0.25,
        "weight_decay": 0.25,
        "betas": [0.8, 0.9],
        "milestones": [0.2, 0.4, 0.6],
        "steps": 2,
    }
    assert config["recipe"] | wanted == config["recipe"]
    told = {"source": "digits", "split": "train", "limit": 40, "size": None, "labels": None, "kind": "image"}
    assert config["data"] | told == config["data"]


def test_a_config_of_a_run_is_a_config_file(capsys, trained, tmp_path):
    said(capsys, "pretrain", "--config", trained / "config.yaml", "--out", tmp_path / "twin")
    ours, theirs = (load_file(path / "encoder.safetensors") for path in (tmp_path / "twin", trained))
    assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)


def test_resume_ends_with_the_same_weights(capsys, original, unfinished):
    text = said(capsys, "resume", unfinished)
    assert "10 steps" in text
    ours, theirs = (load_file(path / "encoder.safetensors") for path in (unfinished, original))
    assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)
    assert main(["resume", str(unfinished)]) == 0
    assert "is finished already" in capsys.readouterr().err


def test_a_damaged_checkpoint_gives_way_with_a_plain_warning(capsys, original, unfinished):
    newest = unfinished / "checkpoints" / "step-00000008" / "optimizer.safetensors"
    newest.write_bytes(newest.read_bytes()[:-7])
    assert main(["resume", str(unfinished)]) == 0
    warning = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: "))
    assert "step-00000008" in warning
    ours, theirs = (load_file(path / "encoder.safetensors") for path in (unfinished, original))
    assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupt_saves_and_prints_how_to_go_on(capsys, monkeypatch, tmp_path, original, number, code):
    def send(self, clock, method, scalars):
        if clock.step == 7:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "step", send)
        words = ["pretrain", "--config", str(original / "config.yaml"), "--out", str(tmp_path / "a run")]
        assert main(words) == code
    assert (
        f"stopped at step 7 of 10 and saved; continue with: selftaught resume '{tmp_path / 'a run'}'"
        in capsys.readouterr().err
    )
    assert main(["resume", str(tmp_path / "a run")]) == 0
    ours, theirs = (load_file(path / "encoder.safetensors") for path in (tmp_path / "a run", original))
    assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)


def test_ctrl_c_outside_training(capsys, monkeypatch):
    def stopped(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("selftaught.data.catalog.describe", stopped)
    assert main(["data", "digits"]) == 130


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".safetensors"])
def test_embed_writes_what_python_computes(capsys, trained, tmp_path, suffix):
    out = tmp_path / f"features{suffix}"
    assert "30 x " in said(capsys, "embed", trained, "digits", "--out", out, "--limit", "30", "--split", "test")
    expected = selftaught.load(trained).embed("digits", split="test", limit=30)
    labels = selftaught.open_source("digits", "test", 30).labels
    if suffix == ".npy":
        found, given = np.load(out), labels
    elif suffix == ".safetensors":
        tensors = load_file(out)
        found, given = tensors["embedding"], tensors["label"]
    else:
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(out)
        assert table["index"].to_pylist() == list(range(30))
        found, given = np.array(table["embedding"].to_pylist(), np.float32), table["label"].to_numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(given, labels)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [out.name, "trained", *(["features.names.csv"] if suffix == ".npy" else [])]
    )  # no temporary file stays


def test_embed_names_the_samples_and_counts_what_it_skipped(capsys, trained, tmp_path):
    for i in range(12):
        place = tmp_path / "pictures" / ("10", "9")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(place / f"{i:02}.png")
    for broken in ("10/04.png", "9/07.png"):
        (tmp_path / "pictures" / broken).write_bytes(b"broken")
    assert main(["embed", str(trained), str(tmp_path / "pictures"), "--out", str(tmp_path / "x.npy")]) == 0
    out, err = capsys.readouterr()
    assert "10 x " in out and str(tmp_path / "x.names.csv") in out
    assert "2 of the images could not be read: no row (10/04.png: " in err
    rows = (tmp_path / "x.names.csv").read_text().splitlines()
    assert rows[0] == "name,label,class" and len(rows) == 11
    assert rows[1] == "10/00.png,0,10" and rows[10] == "9/11.png,1,9"


def test_a_run_that_cannot_be_written_is_judged_all_the_same(capsys, trained, monkeypatch):
    before = (trained / "summary.json").read_bytes()

    def refused(path):
        raise UserError(f"cannot write {path}: Read-only file system")

    monkeypatch.setattr("selftaught.pretraining.result.check_writable", refused)
    assert main(["probe", str(trained), "--quick", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["linear"]["trained"] > 0
    said_first = err.splitlines()[0]
    assert "Read-only file system: the result is returned, but not kept in summary.json" in said_first
    assert (trained / "summary.json").read_bytes() == before
    assert main(["report", str(trained)]) == 2
    assert "report.html: Read-only file system" in capsys.readouterr().err


def test_probe_compare_and_report(capsys, trained, tmp_path):
    result = parsed(capsys, "probe", trained, "--quick")
    summary = json.loads((trained / "summary.json").read_bytes())
    assert summary["probe"] == result
    assert summary["steps"] == 10  # what was there stays
    for side in SIDES:
        for numbers in (result["linear"], result["knn"], result["labels"]["10"]):
            assert 0 <= numbers[side] <= 100
    show_results(result)
    text = capsys.readouterr().out
    assert all(side in text for side in SIDES)
    assert "10 labels a class" in text

    other = shutil.copytree(trained, tmp_path / "other")
    RunFolder.open(other).update_summary(probe=result | {"linear": dict.fromkeys(SIDES, 99.0)})
    unjudged = shutil.copytree(trained, tmp_path / "unjudged")
    RunFolder.open(unjudged).write_json(
        "summary.json", {key: value for key, value in summary.items() if key != "probe"}
    )
    rows = parsed(capsys, "compare", unjudged, trained, other)
    assert [row["run"] for row in rows] == [str(other), str(trained), str(unjudged)]
    assert rows[1]["linear"] == pytest.approx(result["linear"]["trained"])
    assert (rows[1]["method"], rows[1]["encoder"], rows[1]["data"], rows[1]["steps"]) == (
        "simclr",
        "conv",
        "digits",
        10,
    )
    assert rows[1]["gain"] == pytest.approx(result["linear"]["trained"] - result["linear"]["untrained"])
    assert rows[2]["linear"] is None
    assert "99.0" in said(capsys, "compare", trained, other)

    page = trained / "report.html"
    assert said(capsys, "report", trained).strip() == str(page)
    assert "simclr" in page.read_text()


def test_report_without_the_data(capsys, tmp_path):
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8))
    run = tmp_path / "run"
    small = ("--steps", "2", "--batch-size", "16", "--encoder.width", "4")
    said(capsys, "pretrain", "rotation", tmp_path / "images.npy", *small, "--out", run)
    (tmp_path / "images.npy").unlink()
    said(capsys, "report", run)
    assert (run / "report.html").exists()


def test_the_demo_from_end_to_end_and_again(capsys, monkeypatch, tmp_path):
    words = ("demo", "--data", "digits", "--steps", "4", "--quick", "--out", tmp_path / "demo")
    result = parsed(capsys, *words)
    assert set(result["times"]) == {"data", "training", "probe", "report", "all"}
    summary = json.loads((tmp_path / "demo" / "summary.json").read_bytes())
    for numbers in (summary["probe"]["linear"], summary["probe"]["knn"], summary["probe"]["labels"]["10"]):
        assert all(isinstance(numbers[side], float) for side in SIDES)
    assert (tmp_path / "demo" / "report.html").exists()
    (tmp_path / "demo" / "old").write_text("of the demo before")
    monkeypatch.setattr(Run, "probe", lambda self, **_: result["probe"])
    text = said(capsys, *words)
    assert not (tmp_path / "demo" / "old").exists()
    assert all(word in text for word in ("linear probe", "training", "report.html"))


def test_the_demo_without_fashion_mnist(capsys, monkeypatch, tmp_path):
    def unreachable(data, *rest, **more):
        if data == "fashion-mnist":
            raise selftaught.UserError("no network")
        return opened(data, *rest, **more)

    from selftaught import data

    opened = data.open_source
    monkeypatch.setattr(data, "open_source", unreachable)
    monkeypatch.setattr(Run, "probe", lambda self, **_: {"linear": {}, "knn": {}, "labels": {}})
    assert main(["demo", "--steps", "4", "--quick", "--out", str(tmp_path / "demo")]) == 0
    assert (
        "fashion-mnist cannot be downloaded (no network); the demo goes on with the small built-in digits"
        in capsys.readouterr().err
    )
    assert RunFolder.open(tmp_path / "demo").config["data"]["source"] == "digits"


def test_the_bare_command_shows_help(capsys):
    assert "Usage: selftaught" in said(capsys)


def test_the_version(capsys):
    assert said(capsys, "--version").strip() == selftaught.__version__


@pytest.mark.parametrize("flag", ["--kind", "--data.kind"])
def test_the_kind_can_be_said_where_the_data_would_tell(flag, tmp_path):
    line = ["pretrain", "denoising", "digits", flag, "image", "--steps", "1", "--batch-size", "16"]
    assert main([*line, "--out", str(tmp_path / "run")]) == 0
