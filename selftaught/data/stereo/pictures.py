"""Decoded pictures and disparities, of which the latest stay in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.image.decode import Unreadable, decode, most_bytes
from selftaught.data.stereo import truth

KEPT = 512 << 20
"""Bytes of decoded files that stay in memory."""


@final
class Memory:
    """The arrays of the files that were used last, at most `most` bytes. It may be used by several threads."""

    def __init__(self, most: int = KEPT) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def get(self, path: Path, load: Callable[[Path], NDArray[Any]], *how: Any) -> NDArray[Any]:
        """Return ``load(path)``, which depends on `how` as well, unless it is kept and the file has not changed."""
        try:
            at = path.stat()
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror or error}") from None
        key = (str(path), at.st_size, at.st_mtime_ns, *how)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = load(path)
        with self._lock:
            if key not in self._kept and found.nbytes <= self.most:
                self._kept[key] = found
                self._bytes += found.nbytes
                while self._bytes > self.most:
                    self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return found


MEMORY = Memory()


def picture(path: Path) -> NDArray[np.uint8]:
    """Return uint8 [H, W, C] of a picture in colour or grey. Raises Unreadable."""
    return MEMORY.get(path, _decoded)


def disparity(path: Path, scale: float | None) -> NDArray[np.float32]:
    """Return float32 [H, W], see `truth.read`. Raises Unreadable."""
    return MEMORY.get(path, lambda one: truth.read(one, scale), scale)


def _decoded(path: Path) -> NDArray[np.uint8]:
    try:
        size = path.stat().st_size
        if not 0 < size <= most_bytes():
            raise Unreadable("empty file" if not size else f"{size} bytes are more than {most_bytes()}")
        pixels = decode(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from None
    if pixels.dtype != np.uint8:
        raise Unreadable("more than 8 bits a colour: convert it to 8 bits")
    if pixels.shape[2] not in (1, 3):
        raise Unreadable(f"{pixels.shape[2]} bands: convert it to colour or grey")
    return pixels


def coloured(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Return [H, W, channels]: grey becomes colour if that is asked for."""
    return pixels if pixels.shape[2] == channels else np.repeat(pixels[:, :, :1], channels, 2)
