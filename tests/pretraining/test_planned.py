"""Options that the length of a run or its data leave without an effect: refused if asked for, said otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import selftaught
from selftaught.errors import UserError

GREY = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)
COLOUR = GREY.repeat(3, axis=3)
TEXTS = ["a b c d e f"] * 30
SMALL: dict[str, Any] = {"batch_size": 16, "encoder": {"name": "conv", "width": 4, "depth": 1}}
WORDS: dict[str, Any] = {"min_count": 1, "threads": 1, "dim": 4}


def refused(method: str, data: Any, out: Path, **arguments: Any) -> str:
    with pytest.raises(UserError) as error:
        selftaught.pretrain(method, data, out=out, progress=False, **arguments)
    assert not out.exists() and "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("method", "arguments", "says"), [
    ("moco", {"steps": 3, "queue": 49}, "the queue of 49 keys starts with random ones and is never full of the 48"),
    ("moco", {"steps": 1, "shuffle": True, "batch_norm_groups": 1, "queue": 16}, "shuffle has no effect"),
    ("swav", {"epochs": 2, "queue": 16}, "not used before epoch 15 (queue_epoch), and this run has 2:"),
    ("swav", {"epochs": 1, "queue": 64, "queue_epoch": 0}, "not used before it is full, and this run has 64 images"),
    ("local_aggregation", {"epochs": 2, "warm": 2}, "the 2 warm rounds take the whole run of 2 rounds"),
    ("local_aggregation", {"epochs": 1, "clusterings": 2}, "the 1 warm rounds take the whole run"),
])  # fmt: skip
def test_a_run_that_is_too_short_for_an_option(
    tmp_path: Path, method: str, arguments: dict[str, Any], says: str
) -> None:
    assert says in refused(method, COLOUR, tmp_path / "run", **SMALL, **arguments)


def test_a_default_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    selftaught.pretrain("moco", COLOUR, out=tmp_path / "a", steps=2, batch_norm_groups=2, **SMALL)
    assert capsys.readouterr().err.count("the queue of 4,096 keys starts with random ones") == 1
    selftaught.pretrain("moco", COLOUR, out=tmp_path / "b", steps=2, batch_norm_groups=2, queue=32, **SMALL)
    assert "queue" not in capsys.readouterr().err


@pytest.mark.parametrize("option", ["grey", "hue"])
def test_colour_on_grey_images(tmp_path: Path, option: str) -> None:
    run: dict[str, Any] = {"steps": 1, "batch_norm_groups": 2, **SMALL}
    says = f"{option} has no effect, because the images have 1 channel, not 3"
    assert says in refused("moco", GREY, tmp_path / "a", **run, **{option: 0.3})
    selftaught.pretrain("moco", GREY, out=tmp_path / "b", progress=False, **run, **{option: 0.0})


@pytest.mark.parametrize(("method", "arguments", "says"), [
    ("ngram", {"epochs": 5}, "5 epochs are no better than one, because an n-gram model counts every text once"),
    ("ngram", {"steps": 5}, "counts every text once"),
])  # fmt: skip
def test_counting_twice(tmp_path: Path, method: str, arguments: dict[str, Any], says: str) -> None:
    assert says in refused(method, TEXTS, tmp_path / "run", **arguments)
    selftaught.pretrain(method, TEXTS, out=tmp_path / "other", progress=False, epochs=1)


@pytest.mark.parametrize("method", ["word2vec", "fasttext"])
def test_shuffling_one_run(tmp_path: Path, method: str) -> None:
    says = "shuffle has no effect, because the text is one run of words"
    options = WORDS | {"epochs": 1, "sample": 0, "shuffle": 100}
    assert says in refused(method, ["a b c d " * 40], tmp_path / "a", **options)
    selftaught.pretrain(method, ["a b c d\n" * 40], out=tmp_path / "b", progress=False, **options)
