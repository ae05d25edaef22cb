"""Every test of this folder gets a cache of its own, unless it asks for the user's by the fixture `users_cache`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

USERS = {name: os.environ.get(name) for name in ("SELFTAUGHT_CACHE", "XDG_CACHE_HOME")}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SELFTAUGHT_CACHE", str(folder))
    monkeypatch.delenv("SELFTAUGHT_DATA", raising=False)
    return folder


@pytest.fixture
def users_cache(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in USERS.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH that holds only what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        (folder / name).chmod(0o755)

    return put


@pytest.fixture
def hostile(tmp_path: Path):
    from hostile_folder import build

    return build(tmp_path / "hostile")
