"""Runs that the tests of the command line look at."""

from __future__ import annotations

import shutil

import pytest

from selftaught.cli import main
from selftaught.run import RunFolder


@pytest.fixture(scope="session")
def small():
    """The flags of a run of a few steps."""
    flags = {"steps": 10, "batch-size": 32, "encoder.width": 4, "limit": 200, "log-every": 2, "checkpoint-every": 4}
    return [word for name, value in flags.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="session")
def original(tmp_path_factory, small):
    """A finished run of a few steps on digits."""
    path = tmp_path_factory.mktemp("runs") / "original"
    assert main(["pretrain", "simclr", "digits", *small, "--out", str(path)]) == 0
    return path


@pytest.fixture
def trained(original, tmp_path):
    """A copy of the finished run, for the test's own use."""
    return shutil.copytree(original, tmp_path / "trained")


@pytest.fixture
def unfinished(trained):
    """The same run, killed after step 8 of 10."""
    shutil.rmtree(trained / "checkpoints" / "step-00000010")
    for name in ("encoder.safetensors", "method.safetensors", "summary.json"):
        (trained / name).unlink()
    assert not RunFolder.open(trained).summary
    return trained
