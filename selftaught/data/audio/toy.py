"""Generated voices from which any method of sound should learn something within seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from selftaught.data.audio.source import FULL, Recordings

RATE, LENGTH = 8000, 1200
PITCHES = (110.0, 170.0, 260.0)
CLASSES = ("low", "middle", "high")
SOUNDS = np.array([[500.0, 1500.0], [800.0, 1200.0], [300.0, 2300.0], [400.0, 800.0]])
"""Two formants in Hz of each of a few vowels."""
VARIANTS: tuple[dict[str, Any], ...] = ({"uneven": True},)
"""Arguments of `source` and `seen` for other toys that a method should accept."""


def source(n: int = 96, seed: int = 0, uneven: bool = False) -> Recordings:
    """Return n recordings of 0.15 seconds; another seed gives different ones. The class is who speaks.

    A voice is a pitch; it says two vowels one after the other, in the noise of its own room. The groups are the voices.
    If `uneven`, recordings have 600 to 1,200 samples.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(PITCHES), n)
    t = np.arange(LENGTH) / RATE
    waves = np.empty((n, LENGTH), np.float32)
    for i, voice in enumerate(labels):
        pitch = PITCHES[voice] * rng.uniform(0.95, 1.05)
        harmonics = pitch * np.arange(1, int(0.45 * RATE / pitch))
        said, where = SOUNDS[rng.integers(0, len(SOUNDS), 2)], rng.uniform(0.3, 0.7) * t[-1]
        wave = np.zeros(LENGTH)
        for formants, there in zip(said, (t < where, t >= where), strict=True):
            height = np.exp(-(((harmonics[:, None] - formants) / 150) ** 2)).sum(1) + 0.02  # [H]
            phase = rng.uniform(0, 2 * np.pi, len(harmonics))
            wave += there * (height[:, None] * np.sin(2 * np.pi * harmonics[:, None] * t + phase[:, None])).sum(0)
        waves[i] = 0.1 * rng.uniform(0.6, 1.4) * wave + rng.normal(0, 0.005, LENGTH)
    ends = rng.integers(LENGTH // 2, LENGTH + 1, n) if uneven else np.full(n, LENGTH)
    samples = np.clip(waves * FULL, -FULL, FULL - 1).astype(np.int16).reshape(-1)
    return Recordings(samples, LENGTH * np.arange(n), ends.astype(np.int64), RATE, labels, CLASSES, groups=labels)


def seen(uneven: bool = False) -> dict[str, Any]:
    """Return the description of the input for an encoder."""
    return {
        "kind": "audio", "channels": 1, "rate": RATE, "length": LENGTH, "full": FULL, "mean": [0.0], "std": [0.1],
    }  # fmt: skip
