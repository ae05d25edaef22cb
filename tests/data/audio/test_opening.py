"""Folders, files and arrays of recordings: parts, classes, rates, what is skipped, and what the first line says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sounds import tone

from selftaught.data import open_source
from selftaught.data.audio import kept
from selftaught.data.audio.kind import Audio, deviation
from selftaught.data.told import opening
from selftaught.errors import UserError
from selftaught.source import Source

pytest.importorskip("soxr")
EVERYONE = ("anna", "bert")


@pytest.fixture
def voices(write: Any, tmp_path: Path) -> Path:
    """Two voices, five words each."""
    for v, voice in enumerate(EVERYONE):
        for i in range(5):
            write(f"{voice}/word{i}.wav", seconds=0.3 + 0.1 * i, hertz=200 + 200 * v, seed=i)
    return tmp_path / "sounds"


def test_a_folder_has_classes_names_and_a_split(voices: Path) -> None:
    whole = open_source(voices, "all")
    assert (len(whole), whole.samples, whole.classes) == (10, "recordings", EVERYONE)
    assert whole.names(np.arange(2)) == ["anna/word0.wav", "anna/word1.wav"]
    batch = whole.fetch(np.array([0, 7]))
    assert [one.shape for one in batch["audio"]] == [(1, 2400), (1, 4000)] and batch["label"].tolist() == [0, 1]
    assert batch["audio"][0].dtype == np.int16
    train, test = open_source(voices, "train"), open_source(voices, "test")
    assert len(train) == 8 and len(test) == 2 and set(test.labels) == {0, 1}
    assert opening(voices, train, test) == (
        "8 training and 2 test recordings, 2 classes (anna, bert); train and test are split 80/20 by content; "
        "recordings are 0.3 to 0.7 s long: shorter ones are padded to 0.7 s, with a mask"
    )


def test_parts_are_found_by_their_names(write: Any, tmp_path: Path) -> None:
    for part, count in (("train", 3), ("test", 2)):
        for voice in EVERYONE[: 3 - (part == "train")]:
            for i in range(count):
                write(f"{part}/{voice}/{i}.flac", seed=i)
    train, test = (open_source(tmp_path / "sounds", split) for split in ("train", "test"))
    assert (len(train), len(test)) == (6, 4) and train.classes == test.classes == EVERYONE
    assert "train is train, test is test" in train.notes


def test_a_file_is_one_recording(write: Any) -> None:
    path = write("a.ogg", seconds=1.0)
    source = open_source(path, "all")
    assert len(source) == 1 and source.names(np.arange(1)) == ["a.ogg"] and not source.labelled


def test_what_cannot_be_used_is_skipped_and_counted(voices: Path, write: Any) -> None:
    write("anna/quiet.wav", np.zeros(8000, np.float32))
    write("bert/click.wav", tone()[:1])
    (voices / "bert/broken.mp3").write_bytes(bytes(99))
    (voices / "bert/telephone.m4a").write_bytes(bytes(99))
    source = open_source(voices, "all")
    assert len(source) == 10
    assert {one["path"]: one["reason"].partition(":")[0].partition(" (")[0] for one in source.skipped} == {
        "anna/quiet.wav": "silence",
        "bert/broken.mp3": "not a file of sound that can be decoded",
        "bert/click.wav": "1 sample at 8,000 Hz",
        "bert/telephone.m4a": ".m4a is not read",
    }
    assert "4 skipped: anna/quiet.wav, bert/broken.mp3, bert/click.wav, bert/telephone.m4a" in opening(voices, source)


def test_nothing_usable_is_an_error(write: Any, tmp_path: Path) -> None:
    write("a.wav", np.zeros(8000, np.float32))
    with pytest.raises(UserError, match=r"no recording in it can be used \(a\.wav: silence"):
        open_source(tmp_path / "sounds", "all")
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match="no recordings in this folder or below it"):
        open_source(tmp_path / "other", "all", kind="audio")
    with pytest.raises(UserError, match="there is no such file or folder"):
        open_source(tmp_path / "sounds/none.wav", "all", kind="audio")
    with pytest.raises(UserError, match="these are images, not recordings"):
        open_source("digits", "all", kind="audio")


def test_the_rate_is_what_most_have_and_the_line_says_what_changes(voices: Path, write: Any) -> None:
    write("anna/loud.wav", rate=44100, channels=2)
    write("anna/far.wav", rate=11025, channels=8)
    source = open_source(voices, "all")
    assert source.traits["rate"] == 8000 and Audio().resolved(source) == {"rate": 8000}
    assert "2 with 2 or 8 channels are mixed down to one" in source.notes
    assert "2 of 11,025, 44,100 Hz are resampled to 8,000 Hz" in source.notes
    asked = open_source(voices, "all", rate=16000)
    assert asked.traits["rate"] == 16000 and "11 of 8,000, 11,025, 44,100 Hz are resampled" not in asked.notes
    assert asked.fetch(np.array([2]))["audio"][0].shape[1] == 2 * 2400
    for name in ("c", "d"):
        write(f"other/{name}.wav", rate=44100)
    assert open_source(voices / "other", "all").traits["rate"] == 16000  # at most, unless it is asked for
    assert open_source(voices / "other", "all", rate=44100).traits["rate"] == 44100


def test_windows_of_a_recording_are_samples_of_one_group(write: Any, tmp_path: Path) -> None:
    wave = tone(seconds=2.6)
    wave[8000:12000] = 0
    write("a.wav", wave)
    write("b.wav", seconds=0.7, seed=1)
    source = open_source(tmp_path / "sounds", "all", seconds=0.5, windows=True)
    assert source.names(np.arange(len(source))) == [
        *(f"a.wav, {start} s" for start in ("0", "0.5", "1.5", "2")), "b.wav, 0 s",
    ]  # fmt: skip
    assert source.groups is not None and source.groups.tolist() == [0, 0, 0, 0, 1]  # silence, and short rests, are none
    assert all(one.shape == (1, 4000) for one in source.fetch(np.arange(5))["audio"])
    heard = source.fetch(np.array([2]))["audio"][0][0] / 32768
    assert np.abs(heard - wave[12000:16000]).max() < 1e-4


def test_groups_by_a_pattern(voices: Path) -> None:
    train, test = (open_source(voices, split, groups=r"word(\d)") for split in ("train", "test"))
    assert set(train.groups.tolist()).isdisjoint(test.groups.tolist())  # type: ignore[union-attr]
    assert len(train) == 8 and len(set(test.groups.tolist())) == 1  # type: ignore[union-attr]


def test_recordings_are_decoded_once_and_damage_is_mended(
    voices: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_source(voices, "all")
    (stored,) = own_cache.rglob("*.samples")
    assert isinstance(first.fetch(np.arange(1))["audio"][0].base, np.memmap)

    def never(*_: Any) -> Any:
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(kept, "decode", never)
        assert open_source(voices, "all").fingerprint == first.fingerprint
    data = bytearray(stored.read_bytes())
    data[5] ^= 1
    stored.write_bytes(data)
    assert open_source(voices, "all").fingerprint == first.fingerprint  # decoded anew
    index = stored.with_suffix(".json")
    index.write_text("{}")
    assert open_source(voices, "all").fingerprint == first.fingerprint
    assert len(list(own_cache.rglob("*.samples"))) == 1
    open_source(voices, "all", rate=6000)
    assert len(list(own_cache.rglob("*.samples"))) == 2  # another rate, other samples


def test_without_a_cache_recordings_are_in_memory(
    voices: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    there = open_source(voices, "all").fingerprint
    monkeypatch.setenv("SELFTAUGHT_CACHE", "/proc/none")
    assert open_source(voices, "all").fingerprint == there
    assert "recordings are held in memory, because the cache cannot be written" in caplog.text


def test_waves_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    waves = [tone(seed=i) for i in range(4)]
    source = open_source(waves, "all", kind="audio", rate=8000, labels=["a", "b"] * 2)
    assert (
        source.classes == ("a", "b") and np.abs(source.fetch(np.array([3]))["audio"][0] / 32768 - waves[3]).max() < 1e-4
    )
    integers = open_source(np.stack([np.full(900, 7000, np.int16)] * 2), "all", kind="audio", rate=8000)
    assert integers.fetch(np.array([1]))["audio"][0].max() == 7000
    bad = open_source([waves[0], np.full(900, np.nan), waves[1][:1]], "all", kind="audio", rate=8000)
    assert len(bad) == 1 and [one["path"] for one in bad.skipped] == ["recording 1", "recording 2"]
    with pytest.raises(UserError, match=r"do not say their rate: give it with --data\.rate"):
        open_source(waves, "all", kind="audio")
    with pytest.raises(UserError, match="data of 2 axes of float32 are no recordings"):
        open_source([waves[0][None]], "all", kind="audio", rate=8000)
    with pytest.raises(UserError, match="data of type int are no recordings"):
        open_source(3, "all", kind="audio", rate=8000)


def test_a_limit_draws_of_all_classes(voices: Path) -> None:
    assert open_source(voices, "all", limit=4).labels.tolist() == [0, 0, 1, 1]


def test_the_encoder_is_told_rate_length_and_height(voices: Path) -> None:
    source = open_source(voices, "all")
    seen = Audio().input(source)
    assert seen | {"std": 0} == {
        "kind": "audio", "channels": 1, "rate": 8000, "length": 5600, "full": 32768, "mean": [0.0], "std": 0,
    }  # fmt: skip
    assert seen["std"][0] == pytest.approx(0.3 / np.sqrt(2), rel=0.01) and deviation(source) == seen["std"][0]
    assert Audio(seconds=0.5).input(source)["length"] == 4000
    again = Audio.reading(seen | {"length": 4000}, {"rate": None, "seconds": None, "windows": False})
    assert (again.rate, again.seconds) == (8000, 0.5)
    told = Audio.tell(source)
    assert (told["samples"], told["rate"], told["seconds"]) == (10, 8000, "0.30 to 0.70")
    with pytest.raises(UserError, match="the encoder of run hears sound of 16,000 Hz, but these have 8,000 Hz"):
        Audio.fits(seen | {"rate": 16000}, source, "run")


def test_a_source_of_ones_own_says_its_rate() -> None:
    class Own(Source):
        def __len__(self) -> int:
            return 3

        def fetch(self, index: Any) -> Any:
            return {"audio": [np.full((1, 500 + 100 * i), 1000, np.int16) for i in index], "index": index}

    with pytest.raises(UserError, match="these recordings do not say their rate"):
        Audio().input(Own())
    source = Own()
    source.traits = {"rate": 8000}
    assert Audio().input(source)["length"] == 700


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rate": 10}, "rate must be 1000 to 768000 Hz, not 10"),
        ({"seconds": 0.01}, "seconds must be at least 0.05, not 0.01"),
        ({"seconds": float("nan")}, "seconds must be at least 0.05"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Audio(**options)


def test_what_it_accepts(voices: Path, tmp_path: Path) -> None:
    (voices / "notes.txt").write_text("of the session")
    assert Audio.accepts(voices) and Audio.accepts(str(voices / "anna/word0.wav"))
    for name in "abc":
        (tmp_path / "texts" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "texts" / f"{name}.txt").write_text(name)
    assert not Audio.accepts(tmp_path / "texts") and not Audio.accepts(np.zeros(9)) and not Audio.accepts("digits")
    assert open_source(voices, "all").samples == "recordings"
