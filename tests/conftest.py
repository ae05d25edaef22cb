"""What every test stands on: few threads, no network, a cache of its own, and clear reasons for what is skipped."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

ALONE = "PYTEST_XDIST_WORKER" not in os.environ
"""Whether no other process runs tests at the same time. Those that do compute with one thread each."""
THREADS = str(min(2, os.cpu_count() or 1)) if ALONE else "1"
# Before torch and numba are imported, here and in child processes.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, THREADS)
# Torch and numba have threads of their own each. By default those of one wait in a busy loop while the other computes,
# and where more of them want to run than there are cores, a step waits for them to be descheduled: ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import pytest  # noqa: E402
import torch  # noqa: E402
from redis_server import Server, program  # noqa: E402

from selftaught.contract.ranks import Ranks  # noqa: E402

# Each use of a tensor that warns, not the first of a process alone: what fails must not hang on the order of the tests.
torch.set_warn_always(True)

CACHE = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def browser_path() -> str | None:
    """The Chromium to test with: $CHROMIUM, or the first of the usual names on the path."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def data_folder() -> Path | None:
    """The folder of larger data sets that SELFTAUGHT_DATA names, if it is there."""
    folder = Path(os.environ.get("SELFTAUGHT_DATA", ""))
    return folder if os.environ.get("SELFTAUGHT_DATA") and folder.is_dir() else None


def missing(marker: str) -> str | None:
    """Why tests with `marker` cannot run here, or None when they can."""
    if marker == "shared" and data_folder() is None:
        return "SELFTAUGHT_DATA names no folder of larger data sets"
    if marker == "browser" and browser_path() is None:
        return "no Chromium found: install one (Debian: apt-get install chromium) or name it in CHROMIUM"
    if marker == "gpu":
        return None if torch.cuda.is_available() else "no CUDA device"
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Packed images and downloads of the tests go to a cache that ends with them, never to the user's own."""
    config.stash[CACHE] = cache = tempfile.TemporaryDirectory(prefix="selftaught-tests-")
    os.environ["SELFTAUGHT_CACHE"] = cache.name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the tests' cache."""
    config.stash[CACHE].cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, and say why."""
    reasons: dict[str, str | None] = {}
    for item in items:
        for marker in ("shared", "browser", "gpu"):
            if item.get_closest_marker(marker) is None:
                continue
            if marker not in reasons:
                reasons[marker] = missing(marker)
            if reasons[marker]:
                item.add_marker(pytest.mark.skip(reason=reasons[marker]))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of larger data sets, for tests marked `shared`."""
    folder = data_folder()
    assert folder is not None
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, for tests marked `browser`."""
    path = browser_path()
    assert path is not None
    return path


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis server of the session's own."""
    if program() is None:
        pytest.skip("no redis-server: run `make redis` where apt-get is, or install one")
    pytest.importorskip("redis", reason="the package redis is not installed: pip install 'selftaught[redis]'")
    server = Server(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    """Two processes that met over gloo, for as long as the session lasts."""
    pair = Ranks(tmp_path_factory.mktemp("ranks"))
    yield pair
    pair.close()
