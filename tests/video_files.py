"""Frames of small videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

Write = Callable[..., Path]


def frames(count: int, height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    """Smooth frames in which a square moves: codecs keep them nearly as they are."""
    found = np.full((count, height, width, 3), 40, np.uint8)
    for t in range(count):
        x = (2 * t + 3 * seed) % (width - 8)
        found[t, 8:16, x : x + 8] = (220, 180, 60 + seed)
    return found
