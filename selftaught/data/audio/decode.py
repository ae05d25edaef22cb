"""Decode files of sound, mix their channels down, and resample them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from selftaught.data.audio.source import FULL, Samples

VERSION = 1
"""Increase it when the same file would give other samples: what is in the cache is then decoded again."""
SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".gsm"),
)
OTHERS = (".m4a", ".aac", ".wma", ".amr", ".ape", ".mka", ".ra", ".webm")
"""Files of sound that are named as skipped, because no decoder of them is used."""
RAW: dict[str, dict[str, Any]] = {
    ".gsm": {"samplerate": 8000, "channels": 1, "format": "RAW", "subtype": "GSM610"},
}
"""Files without a header: what they hold."""
LOWEST, HIGHEST = 1000, 768_000
"""Rates in Hz that sound is recorded at."""
FEWEST = 1 / 50
"""Seconds of a recording below which there is nothing to hear in it."""
SILENT = 10 ** (-60 / 20)
"""Height that no sample of a silent recording exceeds: 60 dB below full scale."""
BLOCK = 30
"""Seconds that are decoded together, so that a long recording needs little memory before it is resampled."""


class Unreadable(Exception):
    """The file is no recording that can be used: why."""


class Header(NamedTuple):
    """What a file says it holds."""

    rate: int
    channels: int
    frames: int


def header(path: Path) -> Header:
    """Return what a file says it holds, without decoding it. Raises Unreadable."""
    try:
        with _opened(path) as file:
            return _checked(path, Header(int(file.samplerate), int(file.channels), int(file.frames)))
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from None


def decode(path: Path, rate: int) -> Samples:
    """Return the recording as int16 [T] of one channel, the mean of all, at `rate` in Hz. Raises Unreadable."""
    import soxr

    try:
        with _opened(path) as file:
            there = _checked(path, Header(int(file.samplerate), int(file.channels), int(file.frames)))
            stream = None if there.rate == rate else soxr.ResampleStream(there.rate, rate, 1, "float32", "HQ")
            parts = [
                as_integers(mixed if stream is None else stream.resample_chunk(mixed, last))
                for mixed, last in _mixed(file, there)
            ]
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from None
    found = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    if reason := why_not(found, rate):
        raise Unreadable(reason)
    return found


def as_integers(wave: NDArray[np.floating[Any]]) -> Samples:
    """Return a wave in [-1, 1] as int16; what is higher is clipped."""
    found: Samples = np.clip(np.rint(wave * FULL), -FULL, FULL - 1).astype(np.int16)
    return found


def why_not(found: Samples, rate: int) -> str:
    """Return why a recording, int16 [T], cannot be used, "" if it can."""
    if len(found) < FEWEST * rate:
        many = f"{len(found):,} sample{'s' * (len(found) != 1)}"
        return f"{many} at {rate:,} Hz: a recording needs at least {FEWEST:g} seconds"
    peak = max(int(found.max()), -int(found.min())) / FULL
    return "silence: nothing in it is louder than -60 dB" if peak <= SILENT else ""


def _opened(path: Path) -> Any:
    """Return an open file of soundfile. Raises Unreadable and OSError."""
    import soundfile

    if path.suffix.lower() in OTHERS:
        raise Unreadable(f"{path.suffix} is not read: convert it to .flac or .wav")
    if path.stat().st_size == 0:
        raise Unreadable("empty file")
    try:
        return soundfile.SoundFile(os.fspath(path), **RAW.get(path.suffix.lower(), {}))
    except (soundfile.LibsndfileError, TypeError) as error:
        raise Unreadable(f"not a file of sound that can be decoded ({_said(error)})") from None


def _checked(path: Path, there: Header) -> Header:
    if not LOWEST <= there.rate <= HIGHEST:
        raise Unreadable(f"a rate of {there.rate:,} Hz: sound has {LOWEST:,} to {HIGHEST:,}")
    if there.frames < 1:
        raise Unreadable("no sound in it")
    if path.suffix.lower() in (".wav", ".w64") and (told := _cut(path)):
        raise Unreadable(told)
    return there


def _mixed(file: Any, there: Header) -> Iterator[tuple[NDArray[np.float32], bool]]:
    """Yield the mean of all channels block by block, and whether it is the last. Raises Unreadable."""
    import soundfile

    done = 0
    while done < there.frames:
        try:
            block = file.read(min(BLOCK * there.rate, there.frames - done), "float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise Unreadable(f"damaged after {done / there.rate:.1f} seconds ({_said(error)})") from None
        if not len(block):
            raise Unreadable(f"cut: {done / there.rate:.1f} of {there.frames / there.rate:.1f} seconds are there")
        if not np.isfinite(block).all():
            at = done + int(np.flatnonzero(~np.isfinite(block).all(1))[0])
            raise Unreadable(f"sample {at:,} is not a number")
        done += len(block)
        yield np.ascontiguousarray(block.mean(1, dtype=np.float32)), done >= there.frames


def _cut(path: Path) -> str:
    """Return how much of the sound of a RIFF file is missing, "" if none is: the decoder takes what there is."""
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or len(file.read(4)) < 4 or file.read(4) != b"WAVE":
            return ""
        size = os.fstat(file.fileno()).st_size
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                there = size - file.tell()
                streamed = length in (0, 0x7FFFFFFF, 0xFFFFFFFF) or length >= 0xFFFFFF00  # written before it was known
                return "" if there >= length or streamed else f"cut: {there:,} of {length:,} bytes of sound are there"
            file.seek(length + length % 2, io.SEEK_CUR)
    return ""


def _said(error: Exception) -> str:
    """Return what the library says, without the path, which is named elsewhere."""
    return str(error).rpartition(": ")[2].rstrip(".").lower() or type(error).__name__
