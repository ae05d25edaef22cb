from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evaluate.stand_ins import INPUT, Jittered, Pictures, Small
from evaluate.test_embed import bits

import selftaught
from selftaught import encoders
from selftaught.errors import UserError
from selftaught.evaluate import embed, knn, linear_probe, probe, raw
from selftaught.evaluate.few_labels import label_efficiency
from selftaught.evaluate.probe import new_samples
from selftaught.evaluate.tasks.probe import Probe

SMALL: dict[str, Any] = {"budgets": (2, "10%"), "draws": 2}


def pair() -> tuple[Small, Small]:
    torch.manual_seed(0)
    return Small(), Small()


def test_the_whole_protocol_is_its_parts() -> None:
    trained, untrained = pair()
    train, test = Pictures(240, noise=120), Pictures(80, noise=120, seed=1)
    lines: list[str] = []
    found = probe(trained, train, test, seed=5, untrained=untrained, say=lines.append, **SMALL)
    sets = {
        "trained": (embed(trained, train), embed(trained, test)),
        "untrained": (embed(untrained, train), embed(untrained, test)),
        "raw": (raw(train, trained.spec["input"]), raw(test, trained.spec["input"])),
    }
    for side, (x, z) in sets.items():
        assert found["linear"][side] == linear_probe(x, train.labels, z, test.labels, seed=5).accuracy
        assert found["knn"][side] == knn(x, train.labels, z, test.labels)
        few = label_efficiency(x, train.labels, z, test.labels, seed=5, **SMALL)
        for budget, row in few.items():
            assert found["labels"][budget][side] == row["mean"]
            assert found["labels"][budget]["spread"][side] == row["spread"]
            assert found["labels"][budget]["draws"] == 2
    assert set(found["labels"]) == {"2", "10%", "all"}
    assert found["labels"]["all"]["trained"] == found["linear"]["trained"]
    assert found["labels"]["all"]["labels"] == 240
    assert found["protocol"]["test"] == 80
    assert len(lines) == 3
    most = np.bincount(train.labels).argmax()
    assert found["majority"] == 100 * np.mean(test.labels == most)
    (table,) = Probe().tables(found)
    assert {row["majority"] for row in table.rows} == {found["majority"]}
    assert Probe().columns({"probe": found})["majority"] == found["majority"]


def test_test_labels_come_last() -> None:
    """Whatever the test labels are, every fitted weight and chosen hyper-parameter is the same: they only score."""
    trained, untrained = pair()
    train, test = Pictures(160, noise=120), Pictures(60, noise=120, seed=1)
    honest = probe(trained, train, test, untrained=untrained, **SMALL)
    test.shown = np.random.default_rng(0).permutation(test.shown)
    shuffled = probe(trained, train, test, untrained=untrained, **SMALL)
    for side in honest["fits"]:
        assert shuffled["fits"][side] == honest["fits"][side]
        assert len(honest["fits"][side]["weights"]) == 16
    assert shuffled["linear"]["raw"] < honest["linear"]["raw"] - 20
    train.shown = (train.shown + (np.arange(160) == 7)) % 4  # one training label is enough to be noticed
    assert (
        probe(trained, train, test, untrained=untrained, **SMALL)["fits"]["raw"]["weights"]
        != honest["fits"]["raw"]["weights"]
    )


def test_test_samples_that_were_trained_on_do_not_count() -> None:
    trained, untrained = pair()
    train, test = Pictures(120), Pictures(60, seed=1)
    test.images[:7] = train.images[20:27]
    assert probe(trained, train, test, untrained=untrained, **SMALL)["protocol"] | {"seconds": 0} == {
        "seed": 0, "train": 120, "test": 53, "duplicates_removed": 7, "unlabelled_left_out": 0, "classes": 4, "k": 20,
        "temperature": 0.07, "draws": 2, "grouped": False, "kept": [], "seconds": 0,
    }  # fmt: skip
    with pytest.raises(UserError, match="also occurs in the training data"):
        probe(trained, train, train, untrained=untrained)


def test_samples_without_a_label_are_left_out() -> None:
    trained, untrained = pair()
    train, test = Pictures(120), Pictures(60, seed=1)
    train.shown = np.where(np.arange(120) < 30, -1, train.shown)
    found = probe(trained, train, test, untrained=untrained, **SMALL)
    assert found["protocol"]["train"] == 90
    assert found["protocol"]["unlabelled_left_out"] == 30
    x = raw(train, trained.spec["input"])[30:]
    assert (
        found["linear"]["raw"]
        == linear_probe(x, train.labels[30:], raw(test, trained.spec["input"]), test.labels).accuracy
    )


def test_without_labels_there_is_one_sentence() -> None:
    trained, untrained = pair()
    with pytest.raises(UserError, match="the training data have no labels"):
        probe(trained, Pictures(20, labelled=False), Pictures(20, seed=1), untrained=untrained)
    with pytest.raises(UserError, match="the test data have no labels"):
        probe(trained, Pictures(20), Pictures(20, seed=1, labelled=False), untrained=untrained)
    with pytest.raises(UserError, match="the same label"):
        probe(trained, Pictures(20, classes=1), Pictures(20, seed=1), untrained=untrained)


def test_the_untrained_encoder_is_the_one_that_the_seed_builds() -> None:
    torch.manual_seed(4)
    encoder = encoders.build("mlp", INPUT)
    before, random = bits(encoder), torch.get_rng_state()
    found = probe(encoder, Pictures(120), Pictures(60, seed=1), seed=4, **SMALL)
    assert torch.equal(torch.get_rng_state(), random)
    assert bits(encoder) == before
    assert found["fits"]["untrained"] == found["fits"]["trained"]  # it never trained
    other = probe(encoder, Pictures(120), Pictures(60, seed=1), seed=5, **SMALL)
    assert other["fits"]["untrained"] != other["fits"]["trained"]


def test_groups_reach_the_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, untrained = pair()
    train, test = Pictures(160, noise=120), Pictures(60, noise=120, seed=1)
    plain = probe(trained, train, test, untrained=untrained, **SMALL)
    monkeypatch.setattr(Pictures, "groups", np.arange(160) // 16)
    grouped = probe(trained, train, test, untrained=untrained, **SMALL)
    assert grouped["protocol"]["grouped"]
    assert grouped["fits"]["raw"]["l2"] != plain["fits"]["raw"]["l2"]


def test_both_encoders_see_the_views_and_the_raw_input_does_not() -> None:
    trained, untrained = pair()
    train, test = Pictures(160, noise=120), Pictures(60, noise=120, seed=1)
    plain = probe(trained, train, test, untrained=untrained, **SMALL)
    found = probe(trained, train, test, untrained=untrained, views=Jittered(), **SMALL)
    assert found["protocol"]["kept"] == ["raw"]  # and what was kept of other views is not taken for these
    assert found["linear"]["raw"] == plain["linear"]["raw"]
    for side, encoder in (("trained", trained), ("untrained", untrained)):
        assert found["fits"][side]["weights"] != plain["fits"][side]["weights"]
        x, z = (embed(encoder, source, views=Jittered()) for source in (train, test))
        assert found["linear"][side] == linear_probe(x, train.labels, z, test.labels).accuracy


def test_a_run_is_judged_by_the_mean_of_its_patches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = (250, 100)
    monkeypatch.setattr("selftaught.evaluate.tasks.probe.QUICK", few)
    small: dict[str, Any] = {"hidden": 8, "dim": 8, "patches": 2, "encoder": {"name": "conv", "width": 4, "depth": 2}}
    run = selftaught.pretrain("emp_ssl", "digits", out=tmp_path / "run", steps=2, progress=False, **small)
    plain, found = run.probe(quick=True), run.probe(quick=True, patches=5)
    assert "patches" not in plain["protocol"] and found["protocol"]["patches"] == 5
    assert found["fits"]["raw"] == plain["fits"]["raw"]
    views = run.model().patched(5)
    assert len(views.augments) == 5
    train, test = run.sources(limits=few)
    x, z = (embed(run.encoder, source, views=views) for source in (train, test))
    new = new_samples(train, test)
    accuracy = linear_probe(x, train.labels, z[new], test.labels[new]).accuracy
    assert found["linear"]["trained"] == pytest.approx(accuracy, abs=1.5)
    assert found["fits"]["trained"]["weights"] != plain["fits"]["trained"]["weights"]
    (table,) = Probe().tables(found)
    assert {row["accuracy, %"] for row in table.rows} >= {"linear probe, all labels, 5 patches"}
    assert Probe().columns(run.summary)["patches"] == 5  # the last one is in the run's row
    with pytest.raises(UserError, match="patches must be at least 1, not 0"):
        run.probe(quick=True, patches=0)
    with pytest.raises(UserError, match="patches need a run of a method that learns from patches, such as emp_ssl"):
        selftaught.load(run.path / "encoder.safetensors").probe("digits", quick=True, patches=5)
