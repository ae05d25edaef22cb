"""Frames that were decoded once, memory-mapped from the cache.

A file has a header of 4,096 bytes (a mark and a JSON line with the shape, the frames a second and the SHA-256 of the
pixels), followed by the frames.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from selftaught.data import cache
from selftaught.data.video.clip import Pixels, check_length
from selftaught.source import digest_of

log = logging.getLogger("selftaught.data")
MARK = b"selftaught frames 1\n"
HEADER = 4096


class Kept(NamedTuple):
    """The frames of one video, uint8 [T, H, W, C], frames a second, and the SHA-256 of the pixels."""

    frames: Pixels
    rate: float
    digest: str


def kept(key: str, decode: Callable[[], Iterable[Pixels]], rate: Callable[[], float]) -> Kept:
    """Return the frames of a video, decoded now unless the cache has those of this `key`.

    They are in memory if the cache cannot be written. Raises Unreadable for fewer than two frames, and what `decode`
    raises.
    """
    path = cache.folder() / "frames" / f"{digest_of(MARK, key)}.frames"
    found = read(path)
    if found is not None:
        return found
    try:
        write(path, decode(), rate())
        found = read(path)
        if found is None:
            raise cache.Unwritable(f"{path}: differs from what was just written: check the disk")
        return found
    except cache.Unwritable as error:
        log.warning("frames are kept in memory, because the cache cannot be written: %s", error)
        frames = np.stack(list(decode()))
        return Kept(frames, rate(), hashlib.sha256(frames.data).hexdigest())


def write(path: Path, frames: Iterable[Pixels], rate: float) -> None:
    """Write frames of one size to `path`, each as it comes."""
    digest, count, shape = hashlib.sha256(), 0, ()
    with cache.replacing(path) as file:
        file.write(bytes(HEADER))
        for frame in frames:
            data = np.ascontiguousarray(frame).data
            digest.update(data)
            file.write(data)
            count, shape = count + 1, frame.shape
        check_length(count)
        file.seek(0)
        about = {"shape": (count, *shape), "rate": rate, "sha256": digest.hexdigest()}
        file.write(MARK + json.dumps(about).encode() + b"\n")


def read(path: Path) -> Kept | None:
    """Return what is in `path`, or None if it is absent, cut or damaged. Checks every byte."""
    try:
        with path.open("rb") as file:
            mark, about = file.readline(HEADER), json.loads(file.readline(HEADER))
        shape = tuple(int(one) for one in about["shape"])
        size = HEADER + int(np.prod(shape, dtype=np.int64))
        if mark != MARK or len(shape) != 4 or min(shape) < 1 or path.stat().st_size != size:
            return None
        frames = np.memmap(path, dtype=np.uint8, mode="r", offset=HEADER, shape=shape)
        digest = hashlib.sha256(frames.data).hexdigest()
        return Kept(frames, float(about["rate"]), digest) if digest == about["sha256"] else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError):  # possible errors with a damaged header
        return None
