"""SIGKILL between two checkpoints of a run whose bank stays outside them.

Its rows must go back to where the weights go back to.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys
from training import StopAfter, state, train

from selftaught import checkpoint
from selftaught.contract.ranks import Ranks
from selftaught.method import Method
from selftaught.run import RunFolder

RECIPE: dict[str, Any] = {"seed": 11, "checkpoint_every": 7}


def live(path: str, store: str, steps: int, at: int, threads: int) -> None:
    """One life of the run: from the newest checkpoint to its end after step `at`."""
    torch.set_num_threads(threads)  # the bits depend on it
    seed = 7 if checkpoint.steps(RunFolder.open(path)) else 0  # what is loaded must not depend on it
    death = StopAfter(at, signal.SIGKILL)
    train(
        lambda: toys.build("banked", seed=seed, store=store),
        path,
        observers=[death],
        resume=True,
        steps=steps,
        **RECIPE,
    )


def rows(method: Method) -> bytes:
    return method.bank.all().numpy().tobytes()  # type: ignore[operator, union-attr]


def survive(store: str, tmp_path: Path, steps: int, deaths: list[int], damage: tuple[int, ...] = ()) -> None:
    """Die after each of `deaths`; those numbered in `damage` also flip a bit of the newest checkpoint."""
    whole, _ = train(lambda: toys.build("banked"), tmp_path / "whole", steps=steps, **RECIPE)
    folder = RunFolder.create(tmp_path / "killed", {"method": {"name": "banked"}})
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "toys", "training"])
    for number, at in enumerate(deaths):
        child = context.Process(target=live, args=(str(folder.path), store, steps, at, torch.get_num_threads()))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL, f"death {number} at step {at}"
        if number in damage and len(checkpoint.steps(folder)) > 1:
            newest = checkpoint.newest(folder)
            assert newest is not None
            (newest / "method.safetensors").write_bytes(b"flipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # of the damaged checkpoint
        last, _ = train(
            lambda: toys.build("banked", seed=5, store=store), folder.path, resume=True, steps=steps, **RECIPE
        )
    assert rows(last) == rows(whole)
    for key, value in state(last).items():
        assert value.equal(state(whole)[key]), key


@pytest.fixture
def address(store: str, request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("redis_server").url if store == "redis" else store


@pytest.mark.parametrize("store", ["file", "redis"])
def test_a_killed_run_ends_with_the_same_rows(store: str, address: str, tmp_path: Path) -> None:
    survive(address, tmp_path, steps=30, deaths=[19], damage=(0,))


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("store", ["memory", "file", "redis"])
def test_a_run_killed_twenty_times_ends_with_the_same_rows(store: str, address: str, tmp_path: Path) -> None:
    rng = random.Random(store)
    deaths, at = [], 0
    for _ in range(20):
        at = at // 7 * 7 + rng.randrange(1, 25)
        deaths.append(at)
    survive(address, tmp_path, steps=at + 20, deaths=deaths, damage=(3, 8, 9, 15))


@pytest.mark.parametrize("store", ["file", "redis"])
def test_one_rank_and_two_ranks_agree(store: str, address: str, ranks: Ranks, tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"steps": 9, "optimizer": "sgd", "lr": 1e-3}
    one, _ = train(lambda: toys.build("banked", store=address), tmp_path / "one", **recipe)
    path = str(tmp_path / "two")
    both = ranks.call("training", "train_toy_on_rank", name="banked", path=path, arguments={"store": address}, **recipe)
    for got, _ in both:
        for key, value in state(one).items():
            assert got[key].double().sub(value.double()).abs().max() < 1e-5, key
    if store == "file":
        a, b = (np.fromfile(tmp_path / run / "banks/bank/rows.f32", np.float32) for run in ("one", "two"))
        assert np.abs(a - b).max() < 1e-5
