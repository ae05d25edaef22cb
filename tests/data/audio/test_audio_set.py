"""Sets of the catalog: how they are fetched and divided. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sounds import tone

from selftaught.data import catalog, open_source, remote
from selftaught.data.audio.audio_set import AudioSet, Voice, called, held_out
from selftaught.data.entry import Entry
from selftaught.data.sets import speech
from selftaught.errors import UserError

soundfile = pytest.importorskip("soundfile")
WORDS = [f"digits/{i}" for i in range(12)]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Stands in for Debian, with two voices; counts the downloads."""
    asked: list[str] = []

    @contextmanager
    def debian(package: str) -> Iterator[Path]:
        asked.append(package)
        if package == "absent":
            raise remote.Unavailable("apt-get cannot download absent")
        for i, word in enumerate((*WORDS, "silence/1", "beep")):
            path = tmp_path / package / "usr/sounds" / f"{word}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, tone(0.2, hertz=300 + 100 * len(package), seed=i), 8000)
        yield tmp_path / package

    monkeypatch.setattr(remote, "debian", debian)
    return asked


def shelf(*packages: str) -> AudioSet:
    voices = {f"voice-{name}": Voice(name, "usr/sounds") for name in packages}
    entry = Entry("speech", "", "", tuple(voices), "", "", kind="audio")
    return AudioSet(entry, voices, ("silence/", "beep"), dict.fromkeys(voices, "xx"))


def test_voices_are_fetched_once_and_divided_by_the_names_of_prompts(
    served: list[str], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(speech.SETS, "speech", shelf("a", "bb"))
    assert not catalog.get("speech").cached()
    train, test = (open_source("speech", split) for split in ("train", "test"))
    assert served == ["a", "bb"] and catalog.get("speech").cached()
    assert train.classes == ("voice-a", "voice-bb") and train.traits["languages"] == {"voice-a": "xx", "voice-bb": "xx"}
    names = [[called(name) for name in one.names(np.arange(len(one)))] for one in (train, test)]
    assert sorted(names[0] + names[1]) == sorted(2 * WORDS)  # neither silence nor tones
    assert set(names[0]).isdisjoint(names[1]) and set(names[1]) == {word for word in WORDS if held_out(word)} != set()
    assert "train and test are its own" in train.notes


def test_what_is_lost_is_fetched_again(served: list[str], own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shelf("a", "bb")
    monkeypatch.setitem(speech.SETS, "speech", found)
    open_source("speech", "all")
    (found.place / "voice-bb/digits/3.wav").write_bytes(b"cut")
    assert len(open_source("speech", "all")) == 24 and served == ["a", "bb", "bb"]


def test_without_debian_one_sentence_says_what_to_do(
    served: list[str], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(speech.SETS, "speech", shelf("absent"))
    with pytest.raises(UserError, match=r"data 'speech' cannot be downloaded \(apt-get cannot download absent\): run"):
        open_source("speech", "train")


def test_the_catalog_lists_it() -> None:
    found: Any = catalog.get("speech")
    assert found.ENTRY.kind == catalog.listed()["speech"] == "audio" and found.ENTRY.classes == tuple(found.voices)
    assert set(found.languages) == set(found.voices) and len(set(found.languages.values())) == 5
    assert 0.15 < np.mean([held_out(f"prompt-{i}") for i in range(2000)]) < 0.25
