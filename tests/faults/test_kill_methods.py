"""SIGKILL in the middle of every method, just after an epoch began and between two checkpoints.

The bits must be those of a whole run.
"""

from __future__ import annotations

import multiprocessing
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from test_contract import case_of
from training import StopAfter, train

from selftaught import checkpoint, methods
from selftaught.contract.case import Case
from selftaught.run import RunFolder

pytestmark = pytest.mark.slow

RECIPE: dict[str, Any] = {"steps": 9, "checkpoint_every": 5, "workers": 0}
"""Of 96 pictures in batches of 16: what a method does before the second epoch comes between the checkpoint and the
death."""
DEATH = 8


def live(case: Case, path: str, threads: int) -> None:
    """The first life of the run."""
    torch.set_num_threads(threads)  # the bits depend on it
    train(case.build, path, case.source(), observers=[StopAfter(DEATH, signal.SIGKILL)], resume=True, **RECIPE)


CASES = [case_of(spec, kind) for name in methods.names() for spec in methods.specs(name) for kind in spec.sees]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.type.deterministic is True], ids=lambda case: case.name
)
@pytest.mark.timeout(300)
def test_a_killed_run_ends_with_the_same_bits(case: Case, tmp_path: Path) -> None:
    train(case.build, tmp_path / "whole", case.source(), **RECIPE)
    folder = RunFolder.create(tmp_path / "killed", {"method": {"name": case.name}})
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "toys", "training"])
    child = context.Process(target=live, args=(case, str(folder.path), torch.get_num_threads()))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    saved = checkpoint.newest(folder)
    assert saved is not None and int(saved.name.removeprefix("step-")) == 5, "the resumed run must have steps to replay"
    train(partial(case.build, seed=7), folder.path, case.source(), resume=True, **RECIPE)
    a, b = (run / "method.safetensors" for run in (tmp_path / "whole", folder.path))
    assert a.read_bytes() == b.read_bytes()
