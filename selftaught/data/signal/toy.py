"""Generated series from which any method of signals should learn something within seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from selftaught.data.signal.source import Signals

LENGTH = 48
CLASSES = ("slow", "middle", "fast")
VARIANTS: tuple[dict[str, Any], ...] = ({"channels": 3}, {"uneven": True})
"""Arguments of `source` and `seen` for other toys that a method should accept."""


def source(n: int = 96, seed: int = 0, channels: int = 1, uneven: bool = False) -> Signals:
    """Return n noisy waves with a bump; another seed gives different ones. The class is the frequency.

    Each has its own phase, height and drift. If `uneven`, they have 24 to 48 samples.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    t = np.arange(LENGTH)
    speed = np.array([0.25, 0.6, 1.2])[labels] * rng.uniform(0.9, 1.1, n)
    phase = rng.uniform(0, 2 * np.pi, (n, channels)) + np.arange(channels)
    height = rng.uniform(0.6, 1.4, (n, channels))
    wave = height[..., None] * np.sin(speed[:, None, None] * t + phase[..., None])  # [n, C, T]
    bump = np.exp(-((t - rng.uniform(10, 38, (n, 1, 1))) ** 2) / 20)
    rows = wave + bump + rng.normal(0, 0.1, wave.shape)
    series = rows.astype(np.float32)
    if not uneven:
        return Signals(series, labels, CLASSES)
    ends = rng.integers(LENGTH // 2, LENGTH + 1, n)
    return Signals([np.ascontiguousarray(one[:, :end]) for one, end in zip(series, ends, strict=True)], labels, CLASSES)


def seen(channels: int = 1, uneven: bool = False) -> dict[str, Any]:
    """Return the description of the input for an encoder."""
    return {"kind": "signal", "channels": channels, "length": LENGTH, "mean": [0.1] * channels, "std": [0.8] * channels}
