"""A user without a home folder and without an entry in the system's list, before an installation that is read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import pytest

from selftaught import kernels
from selftaught.data import cache

ROOT = Path(__file__).parents[2]
UID = "54321"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """No folder is chosen yet, and none is named."""
    cache._usual.cache_clear()
    for name in ("SELFTAUGHT_CACHE", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    yield
    cache._usual.cache_clear()


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0 or not shutil.which("setpriv"), reason="needs another user")
def test_verbs_work_for_a_stranger(tmp_path):
    """The stranger may read everything, so that Python starts wherever it is installed, and write next to nothing."""
    tmp_path.chmod(0o777)
    rights = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    stranger = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", *rights]
    code = (
        "import sys; from selftaught.kernels import patches; from selftaught.cli import main; "
        "sys.exit(main(['data', '--json']))"
    )
    done = subprocess.run(
        [*stranger, sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"digits"' in done.stdout
    assert "compiled code cannot be kept, because neither" in done.stderr
    assert f"this user has no home folder: data are kept in {tmp_path}/selftaught-{UID}" in done.stderr
    assert len([line for line in done.stderr.splitlines() if "Warning" in line or "warning:" in line]) == 2
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f"selftaught-{UID}"]  # the compiled code went with the process
    assert (tmp_path / left[0]).stat().st_mode & 0o777 == 0o700


def test_the_cache_without_a_home(monkeypatch, tmp_path):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.warns(UserWarning, match="this user has no home folder: data are kept in .*set SELFTAUGHT_CACHE"):
        place = cache.folder()
    assert place == tmp_path / f"selftaught-{os.getuid()}" and place.is_dir()
    assert cache.folder() == place  # said once
    monkeypatch.setenv("SELFTAUGHT_CACHE", "/elsewhere")
    assert cache.folder() == Path("/elsewhere")


def test_a_home_that_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "locked")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(cache.os, "access", lambda *_: False)
    with pytest.warns(UserWarning, match=r"locked/.cache/selftaught cannot be written: data are kept in"):
        assert cache.folder().parent == tmp_path


def test_compiled_code_goes_to_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kernels._keep()
    assert numba.config.CACHE_DIR == ""  # the package can be written
    monkeypatch.setattr(kernels, "_writable", lambda place: False)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    with pytest.warns(UserWarning, match="set NUMBA_CACHE_DIR to a folder you can write"):
        kernels._keep()
    assert os.environ["NUMBA_CACHE_DIR"] == numba.config.CACHE_DIR
    assert Path(numba.config.CACHE_DIR).parent == tmp_path
