"""Sounds that tests make and write."""

from __future__ import annotations

from typing import Any

import numpy as np


def tone(seconds: float = 0.5, rate: int = 8000, hertz: float = 440.0, channels: int = 1, seed: int = 0) -> Any:
    """A tone in a little noise, float32 [T] or [T, C]; channels are shifted."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * hertz * t + rng.uniform(0, 6)) + 0.01 * rng.normal(size=len(t))
    return (wave if channels == 1 else np.stack([wave] * channels, 1)).astype(np.float32)
