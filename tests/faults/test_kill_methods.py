"""SIGKILL in the middle of every method, just after an epoch began and between two checkpoints: the bits must be those of a whole run."""

from __future__ import annotations

import multiprocessing
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from test_contract import build, every, source
from training import StopAfter, train

from selftaught import checkpoint
from selftaught.run import RunFolder

pytestmark = pytest.mark.slow

RECIPE: dict[str, Any] = {"steps": 9, "checkpoint_every": 5, "workers": 0}
"""Of 96 pictures in batches of 16: what a method does before the second epoch comes between the checkpoint and the death."""
DEATH = 8


def live(name: str, path: str) -> None:
    """The first life of the run."""
    train(partial(build, name), path, source(name), observers=[StopAfter(DEATH, signal.SIGKILL)], resume=True, **RECIPE)


@every("deterministic")
@pytest.mark.timeout(300)
def test_a_killed_run_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    train(partial(build, name), tmp_path / "whole", source(name), **RECIPE)
    folder = RunFolder.create(tmp_path / "killed", {"method": {"name": name}})
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "toys", "training"])
    child = context.Process(target=live, args=(name, str(folder.path)))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    saved = checkpoint.newest(folder)
    assert saved is not None and int(saved.name.removeprefix("step-")) == 5, "the resumed run must have steps to replay"
    train(partial(build, name, seed=7), folder.path, source(name), resume=True, **RECIPE)
    a, b = (run / "method.safetensors" for run in (tmp_path / "whole", folder.path))
    assert a.read_bytes() == b.read_bytes()
