"""SIGKILL at random moments, then resume, again and again: the bits must be those of a run that nobody touched."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from training import train

from selftaught import checkpoint
from selftaught.run import RunFolder

pytestmark = pytest.mark.slow

RECIPE: dict[str, Any] = {"steps": 1500, "checkpoint_every": 7, "log_every": 1, "seed": 11}


def live(name: str, path: str, threads: int) -> None:
    """One life of the run: from the newest checkpoint to the end, or until it is killed."""
    torch.set_num_threads(threads)  # the bits depend on it
    train(lambda: toys.build(name), path, resume=True, **RECIPE)


def losses(path: Path) -> dict[int, float]:
    return {m["step"]: m["loss"] for m in RunFolder.open(path).metrics()}


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", ["memory", "clusters", "game"])
def test_a_killed_run_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    kills_wanted = 20
    train(lambda: toys.build(name), tmp_path / "whole", **RECIPE)
    expected = losses(tmp_path / "whole")
    RunFolder.create(tmp_path / "killed", {"method": {"name": name}})
    folder, rng = tmp_path / "killed", random.Random(name)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "toys", "training"])
    kills = replayed = 0
    while kills < kills_wanted:
        saved = checkpoint.newest(RunFolder.open(folder))
        begun = int(saved.name.removeprefix("step-")) if saved else 0
        child = context.Process(target=live, args=(name, str(folder), torch.get_num_threads()))
        child.start()
        patience = rng.randrange(1, 40)  # steps to live, at least
        while max(losses(folder), default=0) < begun + patience and child.is_alive():
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        assert child.is_alive(), "the run ended before it could be killed often enough: give it more steps"
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        seen = losses(folder)
        assert all(seen[step] == expected[step] for step in seen)
        saved = checkpoint.newest(RunFolder.open(folder))
        lost = max(seen) - (int(saved.name.removeprefix("step-")) if saved else 0)
        if lost > 0:  # a child that dies right after a checkpoint replays nothing and proves nothing
            kills += 1
            replayed += lost
    live(name, str(folder))
    assert losses(folder) == expected
    assert (folder / "method.safetensors").read_bytes() == (tmp_path / "whole" / "method.safetensors").read_bytes()
    print(json.dumps({"method": name, "kills": kills, "replayed_steps": replayed}))
    assert replayed >= kills
