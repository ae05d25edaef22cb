"""What a run goes on with: values that were resolved, data that were moved, and more steps than planned."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import selftaught
from selftaught.cli import main
from selftaught.contract.case import Case
from selftaught.contract.ranks import Ranks
from selftaught.contract.training import train
from selftaught.errors import UserError
from selftaught.fit import fit
from selftaught.pretraining.progress import Watch
from selftaught.pretraining.result import continued
from selftaught.recipe import Recipe
from selftaught.run import RunFolder

IMAGES = np.random.default_rng(3).integers(0, 256, (80, 8, 8, 3), dtype=np.uint8)
FEW: dict[str, Any] = {"steps": 6, "batch_size": 16, "encoder": {"name": "conv", "width": 4}, "progress": False}
CONSTANT: dict[str, Any] = {"schedule": "constant", "warmup": 0.0}


def bytes_of(run: selftaught.Run) -> bytes:
    return (run.path / "method.safetensors").read_bytes()


def config_of(run: selftaught.Run) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((run.path / "config.yaml").read_text())
    return config


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(self, clock, method, scalars):
        if clock.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Watch, "step", send)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The images as a file in a folder."""
    (tmp_path / "first").mkdir()
    np.save(tmp_path / "first" / "images.npy", IMAGES)
    return tmp_path / "first" / "images.npy"


TEXT = [f"the sea{i % 7} and the sky{i % 5} of wood{i % 3}" for i in range(400)]
LONGER: dict[str, tuple[Any, dict[str, Any]]] = {
    "rotation": (IMAGES, {"batch_size": 16, "encoder": {"name": "conv", "width": 4}, **CONSTANT}),
    "moco": (IMAGES, {"batch_size": 16, "queue": 24, "encoder": {"name": "conv", "width": 4}, **CONSTANT}),
    "word2vec": (TEXT, {"threads": 1, "dim": 8, "min_count": 1, **CONSTANT}),
}
"""A method for every way to step, and one with memories: neither has a schedule of its own."""


@pytest.mark.parametrize("name", LONGER)
def test_a_longer_run_has_the_bytes_of_one_that_was_longer_from_the_start(name: str, tmp_path: Path) -> None:
    data, settings = LONGER[name]
    whole = selftaught.pretrain(name, data, out=tmp_path / "whole", steps=12, progress=False, **settings)
    first = selftaught.pretrain(name, data, out=tmp_path / "first", steps=5, progress=False, **settings)
    before = bytes_of(first)
    longer = selftaught.resume(tmp_path / "first", data=data, steps=7, progress=False)
    assert (longer.summary["steps"], longer.summary["planned_steps"], longer.summary["finished"]) == (12, 12, True)
    assert before != bytes_of(whole) == bytes_of(longer)
    assert config_of(longer)["resolved"]["steps"] == 12


def test_epochs_and_minutes_more(tmp_path: Path) -> None:
    selftaught.pretrain("rotation", IMAGES, out=tmp_path / "run", **FEW)
    assert selftaught.resume(tmp_path / "run", data=IMAGES, epochs=2, progress=False).summary["steps"] == 6 + 2 * 5
    run = selftaught.resume(tmp_path / "run", data=IMAGES, minutes=1e-3, progress=False)
    assert run.summary["steps"] > 16
    with pytest.raises(UserError, match="give only one of steps, epochs and minutes"):
        selftaught.resume(tmp_path / "run", steps=1, epochs=1)
    with pytest.raises(UserError, match="steps must be greater than 0, not 0"):
        selftaught.resume(tmp_path / "run", steps=0)


def test_the_schedule_of_a_longer_run_is_that_of_its_new_length(tmp_path: Path) -> None:
    settings = FEW | {"schedule": "linear", "warmup": 0.0, "lr": 0.5, "log_every": 1}
    selftaught.pretrain("rotation", IMAGES, out=tmp_path / "run", **settings)
    run = selftaught.resume(tmp_path / "run", data=IMAGES, steps=6, progress=False)
    rates = [line["lr"] for line in run.folder.metrics()]
    assert rates[:6] == pytest.approx([0.5 * (1 - (i + 0.5) / 6) for i in range(6)])
    assert rates[6:] == pytest.approx([0.5 * (1 - (i + 0.5) / 12) for i in range(6, 12)])


def test_a_longer_run_that_is_stopped_goes_on_to_its_new_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = selftaught.pretrain("rotation", IMAGES, out=tmp_path / "whole", **FEW | CONSTANT | {"steps": 12})
    selftaught.pretrain("rotation", IMAGES, out=tmp_path / "run", **FEW | CONSTANT)
    folder = RunFolder.open(tmp_path / "run")
    folder.update_summary(probe={"accuracy": 50.0})
    with monkeypatch.context() as patched:
        stop_at(9, patched)
        stopped = selftaught.resume(tmp_path / "run", data=IMAGES, steps=6)
        assert (stopped.interrupted, stopped.summary["steps"]) == (signal.SIGTERM, 9)
        assert stopped.summary["probe"] == {"accuracy": 50.0}  # its encoder is still the one that was judged
    resumed = selftaught.resume(tmp_path / "run", data=IMAGES, progress=False)
    assert bytes_of(resumed) == bytes_of(whole)
    assert "probe" not in resumed.summary
    again = selftaught.pretrain("rotation", IMAGES, out=tmp_path / "run", resume=True, **FEW | CONSTANT)
    assert again.summary["steps"] == 12


def test_a_longer_run_that_is_killed_before_its_first_checkpoint_is_not_finished(tmp_path: Path) -> None:
    selftaught.pretrain("rotation", IMAGES, out=tmp_path / "run", **FEW)
    folder = RunFolder.open(tmp_path / "run")
    folder.write_config(folder.config | {"resolved": folder.config["resolved"] | {"steps": 8}})  # and nothing else
    assert selftaught.resume(tmp_path / "run", data=IMAGES, progress=False).summary["steps"] == 8


def test_counts_cannot_be_trained_further(tmp_path: Path) -> None:
    selftaught.pretrain("ngram", TEXT, out=tmp_path / "run", progress=False)
    with pytest.raises(UserError, match="cannot be trained further: an n-gram model counts every text once"):
        selftaught.resume(tmp_path / "run", data=TEXT, epochs=1, progress=False)


def test_moved_data_can_be_named_and_others_are_refused(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = selftaught.pretrain("rotation", pictures, out=tmp_path / "whole", **FEW)
    with monkeypatch.context() as patched:
        stop_at(3, patched)
        selftaught.pretrain("rotation", pictures, out=tmp_path / "run", **FEW | {"progress": True})
    (tmp_path / "second").mkdir()
    pictures.rename(tmp_path / "second" / "images.npy")
    np.save(tmp_path / "others.npy", IMAGES[::-1])
    assert main(["resume", str(tmp_path / "run")]) == 2
    before = (tmp_path / "run/config.yaml").read_bytes()
    assert main(["resume", str(tmp_path / "run"), "--data", str(tmp_path / "others.npy")]) == 2
    assert "this is not the data that" in capsys.readouterr().err
    assert (tmp_path / "run/config.yaml").read_bytes() == before
    assert main(["resume", str(tmp_path / "run"), "--data", str(tmp_path / "second/images.npy")]) == 0
    run = selftaught.load(tmp_path / "run")
    assert bytes_of(run) == bytes_of(whole)
    assert config_of(run)["data"]["source"] == str(tmp_path / "second/images.npy")
    assert run.config.data["source"] == run.summary["data"] == str(tmp_path / "second/images.npy")
    assert main(["resume", str(tmp_path / "run"), "--data", str(tmp_path / "second/images.npy")]) == 2
    assert "is finished, so it needs no data" in capsys.readouterr().err


def test_windows_of_other_text_are_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"steps": 4, "batch_size": 64, "dim": 4, "hidden": 4, "min_count": 1}
    with monkeypatch.context() as patched:
        stop_at(2, patched)
        selftaught.pretrain("nnlm", TEXT, out=tmp_path / "run", **settings)
    with pytest.raises(UserError, match="this is not the data"):  # as many windows of the same words
        selftaught.resume(tmp_path / "run", data=TEXT[::-1], progress=False)
    assert selftaught.resume(tmp_path / "run", data=TEXT, progress=False).summary["finished"]


def test_what_was_resolved_is_in_the_run_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        stop_at(3, patched)
        run = selftaught.pretrain("rotation", IMAGES, out=tmp_path / "run", **FEW | {"progress": True})
    resolved = config_of(run)["resolved"]
    assert resolved == {
        "device": "cpu", "ranks": 1, "recipe.batch_norm_groups": 1, "recipe.precision": "float32", "recipe.workers": 0,
        "data.fingerprint": resolved["data.fingerprint"], "steps": 6,
    }  # fmt: skip
    whole = selftaught.pretrain("rotation", IMAGES, out=tmp_path / "whole", **FEW)
    half = selftaught.pretrain("rotation", IMAGES, out=tmp_path / "half", precision="bfloat16", **FEW)
    folder = RunFolder.open(tmp_path / "run")
    folder.write_config(folder.config | {"resolved": resolved | {"recipe.precision": "bfloat16"}})
    mixed = selftaught.resume(tmp_path / "run", data=IMAGES, progress=False)
    assert len({bytes_of(mixed), bytes_of(whole), bytes_of(half)}) == 3
    assert mixed.summary["precision"] == "bfloat16"
    again = config_of(mixed) | {"resolved": {"recipe.precision": "bfloat16"}}
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(again))  # another run resolves anew
    anew = selftaught.pretrain(None, IMAGES, config=tmp_path / "again.yaml", out=tmp_path / "anew", progress=False)
    assert anew.summary["precision"] == "float32"


def test_threads_are_those_that_a_run_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    whole = selftaught.pretrain("word2vec", TEXT, out=tmp_path / "whole", steps=6, dim=8, min_count=1, progress=False)
    with monkeypatch.context() as patched:
        stop_at(3, patched)
        selftaught.pretrain("word2vec", TEXT, out=tmp_path / "run", steps=6, dim=8, min_count=1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    resumed = selftaught.resume(tmp_path / "run", data=TEXT, progress=False)
    assert config_of(resumed)["resolved"]["method.threads"] == 1
    assert bytes_of(resumed) == bytes_of(whole)
    assert "precision" not in resumed.summary  # nothing to choose
    assert json.loads((resumed.path / "summary.json").read_text())["finished"]


CASE = Case("simsiam", "image", {"dim": 8, "bottleneck": 4})
RECIPE: dict[str, Any] = {"steps": 6, "optimizer": "sgd", "lr": 1e-3, "schedule": "constant", "warmup": 0.0}


def train_on_two(path: str) -> None:
    """What each of two ranks runs: three steps, with a group of batch norm for each rank, which nobody asked for."""
    from selftaught.parts.gather import barrier, rank

    if rank() == 0:
        RunFolder.create(path, {"method": {"name": "simsiam", **CASE.arguments}, "data": {"kind": "image"}})
    barrier()
    train(CASE.build, path, CASE.source(), resume=True, **RECIPE | {"batch_norm_groups": 0, "steps": 3})


def test_ranks_that_become_one_keep_their_groups_of_batch_norm(ranks: Ranks, tmp_path: Path) -> None:
    ranks.call(__name__, "train_on_two", path=str(tmp_path / "run"))
    folder = RunFolder.open(tmp_path / "run")
    assert folder.config["resolved"]["ranks"] == 2
    groups = continued(folder).recipe.batch_norm_groups
    two, one = (
        train(CASE.build, tmp_path / str(n), CASE.source(), **RECIPE | {"batch_norm_groups": n})[0].state_dict()
        for n in (2, 1)
    )
    method = CASE.build()
    recipe = Recipe(**RECIPE | {"batch_size": 16, "device": "cpu", "steps": 3, "batch_norm_groups": groups})
    fit(method, CASE.source(), recipe, folder, resume=True, more=Recipe(steps=3))
    mine, key = method.state_dict(), "encoder.blocks.0.0.weight"
    assert (mine[key] - two[key]).abs().max() < 0.1 * (mine[key] - one[key]).abs().max()
