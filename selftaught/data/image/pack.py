"""Small images as one memory-mapped uint8 array in the cache, decoded only once.

A packed file has a header of 4,096 bytes (a mark and a JSON line with the shape and the SHA-256 of shape and pixels),
followed by the pixels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from selftaught.data import cache
from selftaught.data.image.decode import VERSION
from selftaught.data.image.source import ImageSource, Pixels
from selftaught.kind import Progress
from selftaught.source import digest_of

MARK = b"selftaught packed images 1\n"
HEADER = 4096
TOGETHER = 512
Shape = tuple[int, ...]


def packed(source: ImageSource, shape: Shape, progress: Progress) -> Pixels:
    """Return all images of `source` as memory-mapped uint8 of `shape` [N, H, W, C], decoded now if not in the cache.

    Raises cache.Unwritable or OSError if the cache cannot be written.
    """
    path = cache.folder() / "packed" / f"{digest_of(str(VERSION), source.fingerprint, repr(shape))}.images"
    found = read(path, shape)
    if found is None:
        write(path, shape, _blocks(source, progress))
        found = read(path, shape)
    if found is None:
        raise cache.Unwritable(f"{path}: differs from what was just written: check the disk")
    return found


def _blocks(source: ImageSource, progress: Progress) -> Iterable[Pixels]:
    for start in range(0, len(source), TOGETHER):
        stop = min(start + TOGETHER, len(source))
        yield source.fetch(np.arange(start, stop))["image"]
        progress(stop, len(source))


def write(path: Path, shape: Shape, blocks: Iterable[Pixels]) -> None:
    """Write `blocks`, which together have `shape`, to `path`.

    Uses ordinary writes, so that a full disk is an error and never SIGBUS.
    """
    digest = hashlib.sha256(repr(shape).encode())
    with cache.replacing(path) as file:
        file.write(bytes(HEADER))
        for block in blocks:
            data = np.ascontiguousarray(block).data
            digest.update(data)
            file.write(data)
        file.seek(0)
        file.write(MARK + json.dumps({"shape": shape, "sha256": digest.hexdigest()}).encode() + b"\n")


def read(path: Path, shape: Shape | None = None) -> Pixels | None:
    """Return the pixels in `path`, or None if it is absent, truncated, damaged or not of `shape`. Checks every byte."""
    try:
        with path.open("rb") as file:
            mark, header = file.readline(HEADER), json.loads(file.readline(HEADER))
        stored = tuple(header["shape"])
        if mark != MARK or len(stored) != 4 or stored != (shape or stored) or min(stored) < 1:
            return None
        if path.stat().st_size != HEADER + stored[0] * stored[1] * stored[2] * stored[3]:
            return None
        pixels = np.memmap(path, dtype=np.uint8, mode="r", offset=HEADER, shape=stored)
        digest = hashlib.sha256(repr(stored).encode())
        digest.update(pixels.data)
        return pixels if header["sha256"] == digest.hexdigest() else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError):  # possible errors with a damaged header
        return None
