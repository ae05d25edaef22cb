"""Decoded recordings in the cache: one memory-mapped file of samples, decoded only once."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from selftaught.data import cache
from selftaught.data.audio.decode import VERSION, Unreadable, decode
from selftaught.data.audio.source import Samples
from selftaught.data.workers import spread
from selftaught.errors import UserError
from selftaught.kind import Progress
from selftaught.source import digest_of

log = logging.getLogger("selftaught.data")
TOGETHER = 64
"""Files that are decoded at a time."""


@final
@dataclass(frozen=True)
class Decoded:
    """The recordings of some files.

    Args:
        samples: All of them, one after another, int16 [T]; memory-mapped if the cache can be written.
        lengths: Samples of each file, 0 where it cannot be used.
        reasons: Why, "" where it can.
    """

    samples: Samples
    lengths: Sequence[int]
    reasons: Sequence[str]


def decoded(root: Path, files: Sequence[str], rate: int, progress: Progress) -> Decoded:
    """Return the recordings of files below `root` at `rate` in Hz, decoded now if they are not in the cache.

    If the cache cannot be written, they are held in memory.
    """
    path = cache.folder() / "sound" / f"{_key(root, files, rate)}.samples"
    found = _read(path, len(files))
    if found is not None:
        return found
    lengths, reasons = list[int](), list[str]()
    try:
        digest = hashlib.sha256()
        with cache.replacing(path) as out:
            for block in _each(root, files, rate, lengths, reasons, progress):
                digest.update(block.data)
                out.write(block.data)
        index = {"lengths": lengths, "reasons": reasons, "sha256": digest.hexdigest()}
        with cache.replacing(path.with_suffix(".json")) as out:
            out.write(json.dumps(index).encode())
    except (OSError, cache.Unwritable) as error:
        log.warning("recordings are held in memory, because the cache cannot be written: %s", error)
        lengths, reasons = [], []
        blocks = list(_each(root, files, rate, lengths, reasons, progress))
        return Decoded(np.concatenate([*blocks, np.zeros(0, np.int16)]), lengths, reasons)
    found = _read(path, len(files))
    if found is None:
        raise UserError(f"{path}: differs from what was just written: check the disk")
    return found


def _each(
    root: Path, files: Sequence[str], rate: int, lengths: list[int], reasons: list[str], progress: Progress
) -> Iterator[Samples]:
    """Yield the samples of every file; the lists take their lengths and why one cannot be used."""

    def one(i: int) -> Samples | str:
        try:
            return decode(root / files[i], rate)
        except Unreadable as why:
            return str(why)

    for start in range(0, len(files), TOGETHER):
        stop = min(start + TOGETHER, len(files))
        for found in spread(one, range(start, stop)):
            lengths.append(0 if isinstance(found, str) else len(found))
            reasons.append(found if isinstance(found, str) else "")
            if not isinstance(found, str):
                yield found
        progress(stop, len(files))


def _key(root: Path, files: Sequence[str], rate: int) -> str:
    """Return a digest of everything that the samples depend on: the names, sizes and times of the files, and the rate.

    It needs no byte of the files.
    """
    stamps = []
    for name in files:
        try:
            at = (root / name).stat()
            stamps.append(f"{name} {at.st_size} {at.st_mtime_ns}")
        except OSError:  # decoding says why
            stamps.append(f"{name} -")
    return digest_of(str(VERSION), str(rate), str(root.resolve()), *stamps)


def _read(path: Path, count: int) -> Decoded | None:
    """Return what the cache holds, or None if it is absent, damaged, or of another number of files."""
    try:
        index = json.loads(path.with_suffix(".json").read_bytes())
        lengths, reasons, digest = index["lengths"], index["reasons"], index["sha256"]
        if len(lengths) != count or len(reasons) != count or path.stat().st_size != 2 * sum(lengths):
            return None
        empty = np.zeros(0, np.int16)
        samples = np.memmap(path, np.int16, "r") if sum(lengths) else empty
        return Decoded(samples, lengths, reasons) if hashlib.sha256(samples.data).hexdigest() == digest else None
    except (OSError, ValueError, KeyError, TypeError):  # possible errors with a damaged index
        return None
