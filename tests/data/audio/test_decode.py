from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sounds import tone

from selftaught.data.audio.decode import Unreadable, as_integers, decode, header, why_not

soundfile = pytest.importorskip("soundfile")
soxr = pytest.importorskip("soxr")


def strength(wave: Any, rate: int, hertz: float) -> float:
    """How much of a wave is one tone: 1 = all."""
    t = np.arange(len(wave)) / rate
    both = [np.dot(wave, f(2 * np.pi * hertz * t)) for f in (np.sin, np.cos)]
    return float(np.hypot(*both) / np.sqrt(np.dot(wave, wave.astype(np.float64)) * len(wave) / 2))


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.au"])
def test_every_format_is_heard(write: Any, name: str) -> None:
    found = decode(write(name, seconds=1.0), 8000)
    assert found.dtype == np.int16 and abs(len(found) - 8000) <= 1200  # a codec may add silence
    assert strength(found / 32768, 8000, 440) > 0.99


def test_samples_of_16_bits_are_kept_as_they_are(write: Any) -> None:
    wave = np.random.default_rng(0).integers(-20000, 20000, 4000).astype(np.int16)
    assert np.array_equal(decode(write("a.wav", wave), 8000), wave)
    assert np.array_equal(decode(write("a.flac", wave), 8000), wave)


@pytest.mark.parametrize("rate", [44100, 11025, 6000, 37800, 192000])
def test_any_rate_becomes_one(write: Any, rate: int) -> None:
    path = write("a.wav", rate=rate, seconds=1.0)
    found = decode(path, 8000)
    assert header(path) == (rate, 1, rate) and abs(len(found) - 8000) <= 1
    assert strength(found / 32768, 8000, 440) > 0.99
    whole = soxr.resample(soundfile.read(path, dtype="float32")[0], rate, 8000, "HQ")
    assert np.abs(found / 32768 - whole[: len(found)]).max() < 1e-4


def test_a_long_recording_is_resampled_in_blocks_without_seams(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a.wav", rate=11025, seconds=2.5)
    whole = decode(path, 8000)
    monkeypatch.setattr("selftaught.data.audio.decode.BLOCK", 1)
    parts = decode(path, 8000)
    assert len(parts) == len(whole) and np.abs(parts.astype(int) - whole).max() <= 1


def test_channels_are_averaged(write: Any) -> None:
    wave = tone()
    several = np.stack([wave * k for k in range(8)], 1) / 7
    found = decode(write("a.wav", several, subtype="FLOAT"), 8000)
    assert header(write("a.wav", several)).channels == 8
    assert np.abs(found / 32768 - wave / 2).max() < 1e-4


def test_a_file_without_a_header_is_that_of_a_telephone(tmp_path: Path) -> None:
    path = tmp_path / "a.gsm"
    soundfile.write(path, tone(seconds=1.0), 8000, format="RAW", subtype="GSM610")
    found = decode(path, 8000)
    assert abs(len(found) - 8000) <= 320 and strength(found / 32768, 8000, 440) > 0.95


def cut(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    return path


def not_a_number(write: Any) -> Path:
    wave = tone()
    wave[17] = np.nan
    return Path(write("a.wav", wave, subtype="FLOAT"))


def unfinished(path: Path) -> Path:
    """A file whose writer did not know its length, as a pipe's."""
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda write: write("a.wav", np.zeros(8000, np.float32)), "silence: nothing in it is louder than -60 dB"),
        (lambda write: write("a.wav", tone()[:1]), "1 sample at 8,000 Hz: a recording needs at least 0.02 seconds"),
        (lambda write: write("a.wav", tone()[:0]), "no sound in it"),
        (not_a_number, "sample 17 is not a number"),
        (lambda write: cut(write("a.wav"), 0.5), r"cut: 3,978 of 8,000 bytes of sound are there"),
        (lambda write: cut(write("a.flac", seconds=5.0), 0.5), r"(cut: |damaged after )"),
        (lambda write: cut(write("a.wav"), 0.001), "not a file of sound that can be decoded"),
        (lambda write: write("a.wav", rate=100), "a rate of 100 Hz: sound has 1,000 to 768,000"),
        (lambda write: write("a.wav").rename(write("a.wav").with_suffix(".m4a")), r"\.m4a is not read: convert it to"),
    ],
)
def test_what_cannot_be_used_says_why(write: Any, make: Any, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        decode(make(write), 8000)


def test_a_file_of_unknown_length_is_no_cut_one(write: Any) -> None:
    assert len(decode(unfinished(write("a.wav")), 8000)) >= 4000


def test_an_empty_file_and_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(Unreadable, match="empty file"):
        decode(tmp_path / "a.wav", 8000)
    with pytest.raises(Unreadable, match="cannot be read: No such file"):
        header(tmp_path / "b.wav")
    (tmp_path / "c.wav").write_text("no sound, but text")
    with pytest.raises(Unreadable, match="not a file of sound that can be decoded"):
        header(tmp_path / "c.wav")


def test_what_is_higher_than_full_scale_is_clipped() -> None:
    assert as_integers(np.array([-2.0, -1.0, 0.5, 1.0, 2.0])).tolist() == [-32768, -32768, 16384, 32767, 32767]
    assert why_not(np.full(800, 33, np.int16), 8000) == "" and why_not(np.full(800, -32, np.int16), 8000) != ""
