"""Waves made on the spot: the class is the frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.series.source import Series
from selftaught.source import Labels

VARIANTS: tuple[dict[str, Any], ...] = ({"length": 48},)
CLASSES = ("slow", "middle", "fast")


def waves(n: int, seed: int, length: int) -> tuple[NDArray[np.float32], Labels]:
    """Sines of three frequencies, any phase, and a little noise: float32 [n, length], int64 [n]."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    speed = np.array([0.15, 0.4, 0.9])[labels][:, None] + rng.normal(0, 0.02, (n, 1))
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    rows = np.sin(speed * np.arange(length) + phase) + rng.normal(0, 0.1, (n, length))
    return rows.astype(np.float32), labels


def source(n: int = 96, seed: int = 0, length: int = 32) -> Series:
    """n waves; another seed gives others."""
    return Series(*waves(n, seed, length), CLASSES)


def seen(length: int = 32) -> dict[str, Any]:
    """What an encoder is told of them."""
    return {"kind": "series", "length": length, "mean": 0.0, "std": 0.7}
