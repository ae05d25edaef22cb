from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evaluate.stand_ins import Jittered, Pictures, Pull, Small
from training import state

from selftaught.evaluate import Diagnostics, alignment, embed, rankme, uniformity
from selftaught.evaluate.diagnostics import _samples
from selftaught.evaluate.threads import pool
from selftaught.evaluate.warning import Verdict
from selftaught.fit import fit
from selftaught.method import Clock, Method
from selftaught.recipe import Recipe
from selftaught.run import RunFolder


def train(path: Path, repel: bool, *observers: Any, **recipe: Any) -> tuple[Method, list[dict[str, Any]]]:
    torch.manual_seed(0)
    method = Pull(Small(), repel)
    settings = {
        "steps": 60,
        "batch_size": 32,
        "lr": 1e-2,
        "device": "cpu",
        "log_every": 2,
        "weight_decay": 0.0,
    } | recipe
    folder = RunFolder.create(path, {})
    with pool():  # so small a network is trained fastest by one thread
        fit(method, Pictures(300), Recipe(**settings), folder, observers)
    return method, folder.metrics()


def test_a_collapsing_run_is_told_so_with_the_causes(tmp_path: Path) -> None:
    _, lines = train(tmp_path / "run", False, Diagnostics(Pictures(300), every=20))
    looks = [line for line in lines if "embedding_std" in line]
    assert [line["step"] for line in looks] == [20, 40, 60]
    assert looks[-1]["embedding_std"] < 0.05
    assert "collapsing: all embeddings are almost equal" in looks[-1]["warning"]
    assert "Usual causes" in looks[-1]["warning"]


def test_a_healthy_run_is_left_in_peace(tmp_path: Path) -> None:
    _, lines = train(tmp_path / "run", True, Diagnostics(Pictures(300), every=20))
    looks = [line for line in lines if "embedding_std" in line]
    assert len(looks) == 3
    assert not [line["warning"] for line in looks if "warning" in line]
    assert looks[-1]["embedding_std"] > 0.3
    assert looks[-1]["knn"] > 90
    assert 15 < looks[-1]["majority"] < 45  # of four classes
    assert looks[-1]["alignment"] < 1
    assert looks[-1]["uniformity"] < -0.5
    assert 1 < looks[-1]["rankme"] <= 24


def test_of_large_samples_there_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    source, method = Pictures(300), Pull(Small(), True)
    whole = Diagnostics(source)
    size = whole._batch(method.encoder, source, np.arange(1))["image"].numel()
    monkeypatch.setattr("selftaught.evaluate.diagnostics.NUMBERS", size * 60)
    for least, numbers in (((48, 12, 51), size * 60), ((12, 3, 12), 1)):
        monkeypatch.setattr("selftaught.evaluate.diagnostics.NUMBERS", numbers)
        some = Diagnostics(source)
        for _ in range(2):  # the second look sees the same samples
            assert some.look(method)["knn"] >= 0
            assert (len(some.memory), len(some.asked), some.pairs) == least
        assert set(some.memory) < set(whole.memory) and set(some.asked) < set(whole.asked)
    monkeypatch.setattr("selftaught.evaluate.diagnostics.NUMBERS", size * 300)
    assert whole.look(method)["knn"] >= 0
    assert len(whole.memory) + len(whole.asked) == 300 and whole.pairs == 256


def test_looking_changes_nothing(tmp_path: Path) -> None:
    seen, lines = train(tmp_path / "seen", True, Diagnostics(Pictures(300), every=1), steps=12)
    alone, others = train(tmp_path / "alone", True, steps=12)
    for key, value in state(alone).items():
        assert torch.equal(state(seen)[key], value), key
    assert [line["loss"] for line in lines if "loss" in line] == [line["loss"] for line in others]

    method = Pull(Small(), True).train()
    method.encoder.body[1].eval()
    before, modes, random = state(method), [m.training for m in method.modules()], torch.get_rng_state()
    drawn = np.random.get_state()[1].copy()  # noqa: NPY002 - the global generator is what must not move
    found = Diagnostics(Pictures(300), every=1).step(Clock(steps=10), method, {})
    assert found is not None
    assert all(torch.equal(value, state(method)[key]) for key, value in before.items())
    assert [m.training for m in method.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert np.array_equal(np.random.get_state()[1], drawn)  # noqa: NPY002


def test_the_numbers_are_those_of_the_features() -> None:
    source, method = Pictures(300), Pull(Small(), True)
    watch = Diagnostics(source, every=1)
    seen = watch.look(method)
    features = torch.from_numpy(embed(method.encoder, source))
    assert seen["rankme"] == pytest.approx(rankme(features[watch.asked]), rel=1e-4)
    index = np.unique(np.linspace(0, 299, 256).astype(np.int64))
    views = Jittered().apply(source.fetch(index), Jittered().sample(index, 0, 0), torch.device("cpu"))["views"]
    method.encoder.eval()
    with torch.no_grad():
        first, second = (method.encoder(view) for view in views)
    assert seen["alignment"] == pytest.approx(alignment(first, second), rel=1e-4)
    assert seen["uniformity"] == pytest.approx(uniformity(first), rel=1e-4)
    assert watch.look(method) == seen


class Grouped(Pictures):
    """Eight pictures of each group."""

    groups = np.arange(400) // 8


def test_who_is_asked_is_never_remembered_and_groups_stay_whole() -> None:
    source = Pictures(400)
    memory, asked = _samples(source, None, 0)
    assert len(memory) == 320
    assert len(asked) == 80
    assert not set(memory) & set(asked)
    memory, asked = _samples(Grouped(400), None, 0)
    assert not set(memory // 8) & set(asked // 8)
    memory, asked = _samples(Pictures(100), Pictures(50, seed=1), 0)
    assert (len(memory), len(asked)) == (100, 50)


def test_without_labels_there_is_no_knn_but_all_the_rest() -> None:
    seen = Diagnostics(Pictures(100, labelled=False)).look(Pull(Small(), True))
    assert set(seen) == {"embedding_std", "rankme", "alignment", "uniformity"}


def test_a_run_that_diverged_is_told_so() -> None:
    method = Pull(Small(), True)
    with torch.no_grad():
        method.encoder.out.weight.fill_(float("nan"))
    seen = Diagnostics(Pictures(100), every=1).step(Clock(steps=10), method, {})
    assert seen is not None
    assert set(seen) == {"warning"}
    assert "diverged" in seen["warning"]


def test_without_a_schedule_looks_take_a_small_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, spent = [0.0], [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    watch = Diagnostics(Pictures(50))

    def look(method: Method) -> dict[str, Any]:
        now[0] += 0.5
        spent[0] += 0.5
        return {"embedding_std": 0.6, "rankme": 10.0}

    monkeypatch.setattr(watch, "look", look)
    clock, looks = Clock(steps=2000), []
    for step in range(1, 2001):
        now[0] += 0.1
        clock.step = step
        if watch.step(clock, Pull(Small(), True), {}) is not None:
            looks.append(step)
    assert looks[0] == 1
    assert looks[-1] == 2000
    assert len(looks) >= 8
    assert spent[0] < 0.03 * now[0]


def looked(verdict: Verdict, std: float = 0.6, rank: float = 30.0) -> str:
    return " ".join(verdict.warnings({"embedding_std": std, "rankme": rank}))


def test_losing_dimensions_is_a_warning_against_the_width_and_against_the_start() -> None:
    verdict = Verdict()
    verdict.width = 500
    assert looked(verdict, rank=200.0) == ""
    assert looked(verdict, rank=60.0) == ""
    assert "from 200.0 at the first look" in looked(verdict, rank=30.0)
    assert "about 3.0 of 500 directions" in looked(verdict, rank=3.0)
    assert "losing dimensions" in looked(Verdict(), rank=1.2)


@pytest.mark.parametrize(
    ("losses", "stuck"),
    [
        (np.linspace(5, 3, 100), False),
        (np.full(100, 5.54), True),
        (np.r_[np.linspace(1, 8, 50), np.linspace(8, 6, 50)], False),  # a queue that fills first
        (np.linspace(3, 5, 100), True),
        (np.r_[np.linspace(5, 1, 20), np.full(80, 1.0)], False),  # learned early, then a plateau
        (np.full(10, 5.54), False),  # too early to say
    ],
)
def test_a_loss_that_does_not_fall_is_a_warning(losses: np.ndarray, stuck: bool) -> None:
    verdict = Verdict()
    for i, loss in enumerate(losses):
        verdict.saw_loss(float(loss), (i + 1) / 100)
    assert ("the loss is not falling" in looked(verdict)) is stuck
