"""The doctor names what is broken, and how to fix it."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from selftaught.cli import installation, main


def installed(folder, name, version, code=""):
    """A package that pip would have put into `folder`."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder that comes first on the path, here and in child processes."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    return tmp_path


def test_every_check_is_reported(capsys):
    code = main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    names = [check["name"] for check in found]
    assert names == [
        "python",
        "torch",
        "threads",
        "gpu",
        "kernels",
        "torchvision",
        "lightning",
        "cache",
        "disk",
        "extras",
    ]
    assert code == int(any(check["state"] == "broken" for check in found))
    assert {check["name"]: check["state"] for check in found}["torch"] == "fine"
    assert all(check["fix"] for check in found if check["state"] == "broken")


def test_a_torchvision_of_another_torch(packages):
    installed(packages, "torchvision", "0.28.0", "raise RuntimeError('operator torchvision::nms does not exist')")
    check = installation.torchvision()
    assert check.state == "broken"
    assert "operator torchvision::nms does not exist" in check.found
    assert "pip uninstall torchvision" in check.fix


def test_a_torchvision_that_works(packages):
    installed(packages, "torchvision", "0.28.0")
    assert installation.torchvision() == installation.Check("torchvision", "fine", "0.28.0")


@pytest.mark.parametrize(("version", "state"), [("2.6.2", "broken"), ("2.6.3", "broken"), ("2.6.1", "fine")])
def test_the_lightning_with_malicious_code(packages, version, state):
    installed(packages, "lightning", version)
    check = installation.lightning()
    assert check.state == state
    assert ("GHSA-w37p-236h-pfx3" in check.fix) == (state == "broken")


def test_a_missing_extra(monkeypatch):
    version = installation._version
    monkeypatch.setattr(installation, "_version", lambda package: None if package == "zstandard" else version(package))
    check = installation.extras()
    assert check.state == "note"
    assert "zst" in check.fix and "zst" not in check.found.split(", ")


def test_every_extra_for_users_is_looked_at():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    assert set(installation._optional()) == {*extras} - {"bench", "dev"}


def test_a_broken_check_is_exit_code_1_and_its_fix_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(installation, "every", lambda: [installation.Check("cache", "broken", "gone", "bring it back")])
    assert main(["doctor"]) == 1
    caught = capsys.readouterr()
    assert "!!  cache  gone" in caught.out
    assert "cache: bring it back" in caught.err
