"""Training from Python: what a run leaves, how it is named, resumed, loaded."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image

import selftaught
from selftaught.config import Layer, resolve
from selftaught.data.subset import drawn
from selftaught.errors import UserError
from selftaught.pretraining.progress import Watch

IMAGES = np.random.default_rng(3).integers(0, 256, (80, 8, 8, 3), dtype=np.uint8)
FEW = {
    "steps": 6,
    "batch_size": 16,
    "encoder": {"name": "conv", "width": 4},
    "log_every": 1,
    "checkpoint_every": 2,
    "progress": False,
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stopped_at(monkeypatch):
    """Makes a run receive a signal after a step."""

    def arrange(step, number):
        def send(self, clock, method, scalars):
            if clock.step == step:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(Watch, "step", send)

    return arrange


def weights(run):
    return run.encoder.state_dict()


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a) and a.keys() == b.keys()


def test_a_run_and_all_that_it_leaves(here):
    run = selftaught.pretrain("simclr", IMAGES, temperature=0.25, seed=4, **FEW)
    assert run.path.as_posix() == "runs/simclr-memory"
    there = {path.name for path in run.path.iterdir()}
    assert {
        "config.yaml",
        "env.json",
        "metrics.jsonl",
        "summary.json",
        "encoder.safetensors",
        "method.safetensors",
    } <= there
    summary = json.loads((run.path / "summary.json").read_bytes())
    assert summary == run.summary
    assert (summary["steps"], summary["samples"], summary["finished"], summary["interrupted"]) == (6, 80, True, None)
    assert summary["loss"] == pytest.approx(run.folder.metrics()[-1]["loss"])
    assert summary["precision"] == ("bfloat16" if torch.cuda.is_available() else "float32")
    assert (run.config.method_arguments["temperature"], run.config.recipe.seed, run.config.data["split"]) == (
        0.25,
        4,
        "all",
    )
    assert resolve(Layer.of(run.folder.config), stored=True) == run.config
    loaded = selftaught.load(run.path)
    assert same(weights(run), weights(loaded))
    assert not loaded.encoder.training


def test_the_same_seed_gives_the_same_weights(here):
    first = selftaught.pretrain("rotation", IMAGES, **FEW)
    second = selftaught.pretrain("rotation", IMAGES, **FEW)
    assert second.path.name == f"{first.path.name}-2"  # the next free name
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(selftaught.pretrain("rotation", IMAGES, seed=1, **FEW)))


def test_data_in_memory_are_resumed_from_python_to_the_same_weights(here, stopped_at):
    whole = selftaught.pretrain("rotation", IMAGES, out="whole", **FEW)
    stopped_at(3, signal.SIGTERM)
    part = selftaught.pretrain("rotation", IMAGES, out="part", **FEW | {"progress": True})
    assert part.interrupted == signal.SIGTERM
    assert part.summary["finished"] is False
    assert not (part.path / "encoder.safetensors").exists()
    with pytest.raises(UserError, match="the run part is not finished: continue it with 'selftaught resume part'"):
        selftaught.load("part")
    with pytest.raises(UserError, match="resume it from Python"):
        selftaught.resume("part", progress=False)
    resumed = selftaught.pretrain("rotation", IMAGES, out="part", resume=True, **FEW)
    assert [line["step"] for line in resumed.folder.metrics()] == [1, 2, 3, 4, 5, 6]
    assert same(weights(whole), weights(resumed))
    again = selftaught.pretrain("rotation", IMAGES, out="part", resume=True, **FEW)  # finished: returned as it is
    assert same(weights(whole), weights(again))
    assert again.summary == resumed.summary


@pytest.mark.parametrize("name", ["encoder.safetensors", "method.safetensors"])
def test_a_finished_run_whose_weights_cannot_be_opened_is_written_again(here, name):
    run = selftaught.pretrain("rotation", IMAGES, out="run", **FEW)
    expected, summary = weights(run), run.summary
    whole = (run.path / name).read_bytes()
    (run.path / name).write_bytes((200_000_000).to_bytes(8, "little") + whole[8:])  # as with a header that is too large
    again = selftaught.pretrain("rotation", IMAGES, out="run", resume=True, **FEW)
    assert (run.path / name).read_bytes() == whole
    assert same(expected, weights(again))
    assert {**again.summary, "seconds": 0} == {**summary, "seconds": 0}


def test_named_data_are_resumed_from_any_folder(here, stopped_at, monkeypatch):
    np.save("images.npy", IMAGES)
    whole = selftaught.pretrain("rotation", "images.npy", out="whole", **FEW)
    stopped_at(3, signal.SIGINT)
    part = selftaught.pretrain("rotation", "images.npy", out="part", **FEW | {"progress": True})
    assert part.interrupted == signal.SIGINT
    expected = weights(whole)
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    resumed = selftaught.resume(here / "part", progress=False)
    assert same(expected, weights(resumed))
    assert same(expected, weights(selftaught.resume(here / "part", progress=False)))


def test_another_array_is_not_resumed(here, stopped_at):
    stopped_at(3, signal.SIGTERM)
    selftaught.pretrain("rotation", IMAGES, out="part", **FEW | {"progress": True})
    with pytest.raises(UserError, match="this is not the data that part was started with"):
        selftaught.pretrain("rotation", IMAGES[::-1].copy(), out="part", resume=True, **FEW)
    assert (here / "part" / "checkpoints").exists()


def test_resume_may_be_asked_for_before_there_is_a_run(here):
    assert selftaught.pretrain("rotation", IMAGES, out="new", resume=True, **FEW).summary["finished"]


def test_minutes_become_steps_that_are_written_down(here):
    few = {key: value for key, value in FEW.items() if key != "steps"}
    run = selftaught.pretrain("rotation", IMAGES, out="timed", minutes=0.005, **few)
    recipe = run.folder.config["recipe"]
    assert recipe["steps"] == run.summary["steps"] >= 1
    assert recipe["chosen_for_minutes"] == pytest.approx(0.005)
    # agrees with what was asked for
    again = selftaught.pretrain("rotation", IMAGES, out="timed", minutes=0.005, resume=True, **few)
    assert again.summary == run.summary


def test_the_default_length_is_said(here, capsys, monkeypatch):
    seen = []

    def fitted(method, source, recipe, *others):
        seen.append(recipe)
        raise UserError("enough")

    monkeypatch.setattr("selftaught.fit.fit", fitted)
    few = {key: value for key, value in FEW.items() if key not in ("steps", "progress")}
    for method in ("simclr", "supervised"):
        with pytest.raises(UserError, match="enough"):
            selftaught.pretrain(method, "digits", limit=64, **few)
        assert (
            "no length was given (--steps, --epochs or --minutes): training for 1.5 minutes" in capsys.readouterr().err
        )
    assert not list((here / "runs").iterdir())  # a run that never began leaves its name free


def test_embedding_whatever_users_have(here):
    run = selftaught.pretrain("rotation", IMAGES, **FEW)
    whole = run.embed(IMAGES)
    assert whole.dtype == np.float32
    assert whole.shape == (80, run.encoder.dim)
    np.testing.assert_allclose(run.embed(list(IMAGES[:5])), whole[:5], atol=1e-5)
    np.testing.assert_allclose(run.embed(selftaught.open_source(IMAGES, "all")), whole, atol=1e-6)
    np.save("images.npy", IMAGES[:7])
    np.testing.assert_allclose(run.embed("images.npy"), whole[:7], atol=1e-5)
    few = np.sort(drawn(np.full(len(IMAGES), -1), seed=0)[:3])
    np.testing.assert_allclose(
        selftaught.load(run.path / "encoder.safetensors").embed(IMAGES, limit=3), whole[few], atol=1e-5
    )
    grey = selftaught.pretrain("rotation", IMAGES[..., 0], out="grey", **FEW)
    assert grey.embed(IMAGES[:4, :, :, 0]).shape == (4, grey.encoder.dim)


def test_the_encoder_trains_on_from_another_run(here):
    first = selftaught.pretrain("rotation", IMAGES, out="first", **FEW)
    rest = {key: value for key, value in FEW.items() if key != "encoder"}
    second = selftaught.pretrain(
        "simclr", IMAGES, out="second", init="first", **rest | {"lr": 0.0, "weight_decay": 0.0}
    )
    assert second.config.encoder_arguments["width"] == 4  # the architecture comes along
    assert second.config.init == str(here / "first")
    for (name, before), after in zip(first.encoder.named_parameters(), second.encoder.parameters(), strict=True):
        assert torch.equal(before, after), name


def test_what_could_not_be_read_is_named(here):
    from PIL import Image

    (here / "pictures").mkdir()
    for i, image in enumerate(IMAGES[:20]):
        Image.fromarray(image).save(f"pictures/{i}.png")
    (here / "pictures" / "torn.png").write_bytes((here / "pictures" / "0.png").read_bytes()[:40])
    run = selftaught.pretrain("rotation", "pictures", **FEW)
    assert run.path.as_posix() == "runs/rotation-pictures"
    named = [json.loads(line) for line in (run.path / "skipped.jsonl").read_text().splitlines()]
    assert len(named) == run.summary["skipped"] == 1
    assert "torn.png" in named[0]["path"]


def test_labels_are_hidden_from_training_and_shown_to_the_judge(here, stopped_at):
    few = {**FEW, "limit": 300, "labels": "2/class", "workers": 0}
    whole = selftaught.pretrain("supervised", "digits", out="whole", **few)
    assert whole.config.data["labels"] == "2/class"
    probe = whole.probe(quick=True)
    assert probe["protocol"]["train"] > 1000  # it judges by all labels
    assert probe["classifier"]["labels"] == "2/class" and 0 < probe["classifier"]["accuracy"] < 100
    stopped_at(3, signal.SIGTERM)
    selftaught.pretrain("supervised", "digits", out="part", **few | {"progress": True})
    assert same(weights(whole), weights(selftaught.resume("part", progress=False)))
    others = [{"seed": 1}, {"labels": "3/class"}, {"labels": "all"}]
    assert not any(
        same(weights(whole), weights(selftaught.pretrain("supervised", "digits", **few | other))) for other in others
    )
    with pytest.raises(UserError, match=r"was started with data\.labels 2/class, not 3/class"):
        selftaught.pretrain("supervised", "digits", out="part", resume=True, **few | {"labels": "3/class"})


def test_the_encoder_that_the_method_says_is_kept(here):
    run = selftaught.pretrain("mean_teacher", "digits", limit=100, labels="2/class", **FEW)
    whole = run.method(selftaught.open_source("digits", "train", 100))
    assert same(weights(selftaught.load(run.path)), whole.teacher["encoder"].state_dict())
    assert not same(weights(run), whole.encoder.state_dict())


def test_misspelt_arguments_get_a_suggestion(here):
    with pytest.raises(UserError, match="unknown argument of simclr 'temprature': did you mean 'temperature'"):
        selftaught.pretrain("simclr", IMAGES, temprature=0.1)
    with pytest.raises(UserError, match=r"unknown option 'encoder.widht': did you mean 'encoder.width'"):
        selftaught.pretrain("simclr", IMAGES, encoder={"name": "conv", "widht": 3})
    with pytest.raises(UserError, match="lr must be a number, not 'high'"):
        selftaught.pretrain("simclr", IMAGES, lr="high")
    assert not (here / "runs").exists()


def test_a_file_of_weights_is_not_a_run(here):
    run = selftaught.pretrain("rotation", IMAGES, **FEW)
    alone = selftaught.load(run.path / "encoder.safetensors")
    with pytest.raises(UserError, match="is a file, not a run folder"):
        _ = alone.summary
    with pytest.raises(UserError, match="is not a run folder"):
        selftaught.load("nowhere")


def test_the_public_names():
    assert callable(selftaught.pretrain)
    from selftaught import pretraining

    assert selftaught.pretrain is pretraining.pretrain
    assert set(selftaught.__all__) <= set(dir(selftaught))
    for name in selftaught.__all__:
        assert getattr(selftaught, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'pretrian'"):
        _ = selftaught.pretrian


def test_a_methods_own_kind_is_not_the_kind_of_sample(here):
    run = selftaught.pretrain("s4l", "digits", kind="exemplar", limit=64, **FEW)
    assert (run.config.method_arguments["kind"], run.config.kind) == ("exemplar", "image")


def test_the_range_of_pixels_is_the_runs_for_all_other_data(here):
    values = np.random.default_rng(0).integers(100, 4000, (40, 8, 8, 5), dtype=np.uint16)
    np.savez("a.npz", images=values, labels=np.arange(40) % 2)
    run = selftaught.pretrain("simclr", "a.npz", bands=[2, 3, 4, 5], **FEW)
    pairs = run.config.data["range"].split(",")
    assert len(pairs) == 4 and all(100 <= float(pair.split("..")[0]) < 120 for pair in pairs)
    told = {"range": run.config.data["range"], "bands": "2,3,4,5"}
    assert selftaught.load(run.path).encoder.spec["input"]["reading"] == told
    assert run.open("a.npz", "test").traits["reading"] == told
    half = run.open(values // 2, "all").fetch(np.arange(40))["image"]
    whole = run.open(values, "all").fetch(np.arange(40))["image"]
    assert half.shape == (40, 8, 8, 4)
    assert abs(int(half.max()) - 127) < 4 and whole.max() == 255
    again = selftaught.pretrain("simclr", "a.npz", bands=[2, 3, 4, 5], out=run.path, resume=True, **FEW)
    assert again.config == run.config
    said = selftaught.pretrain("simclr", "a.npz", range=(0, 4095), **FEW)
    assert (said.config.data["range"], said.config.data["bands"]) == ("0..4095", "auto")


def test_groups_of_a_run_are_those_of_its_probe(here):
    """Frames of one video are nearly alike, and what they show says nothing about the class."""
    rng = np.random.default_rng(0)
    for video in range(20):
        background = rng.integers(0, 220, (8, 8, 3))
        for frame in range(6):
            place = here / "frames" / "ab"[video % 2]
            place.mkdir(parents=True, exist_ok=True)
            image = (background + rng.integers(0, 8, background.shape)).astype(np.uint8)
            Image.fromarray(image).save(place / f"v{video:02}_{frame}.png")
    options = FEW | {"steps": 1, "out": "run"}
    with pytest.raises(UserError, match=r"groups 'scene\(.\)' matches no part of 'a/v00_0.png'"):
        selftaught.pretrain("rotation", "frames", groups="scene(.)", **options)
    assert not (here / "run").exists()
    run = selftaught.pretrain("rotation", "frames", groups=r"(v\d+)_", **options)
    assert run.config.data["groups"] == r"(v\d+)_"
    train, test = run.sources()
    named = [{name[2:5] for name in part.names(np.arange(len(part)))} for part in (train, test)]
    assert [len(videos) for videos in named] == [16, 4] and not named[0] & named[1]
    assert set(test.labels.tolist()) == {0, 1}
    assert not {name[2:5] for name in run.open("frames", "test", 10).names(np.arange(10))} & named[0]
    grouped = run.probe()
    assert grouped["protocol"]["grouped"] and grouped["linear"]["raw"] < 90 and grouped["majority"] == 50
    leaky = [part.names(np.arange(len(part))) for part in run.sources(groups=r"[^/]*$")]  # each frame for itself
    assert {name[2:5] for name in leaky[0]} & {name[2:5] for name in leaky[1]}


def test_few_samples_are_drawn_by_the_seed(here):
    images, labels = np.repeat(IMAGES[:4], 20, axis=0) ^ np.arange(80, dtype=np.uint8)[:, None, None, None], [0, 1] * 40

    def fingerprint(seed):
        source = selftaught.open_source(images, "train", 16, labels=labels, seed=seed)
        assert np.bincount(source.labels).tolist() == [8, 8]
        return source.fingerprint

    assert fingerprint(0) == fingerprint(0) != fingerprint(1)
    run = selftaught.pretrain("rotation", "digits", limit=20, seed=1, out="run", **FEW)
    one, other = (selftaught.open_source("digits", "train", 20, seed=seed).fingerprint for seed in (1, 0))
    state = json.loads(next((run.path / "checkpoints").glob("*/state.json")).read_text())
    assert state["source"] == one != other
