"""Generated videos from which any method of videos should learn something within seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from selftaught.data.video.clip import Clip
from selftaught.data.video.source import Frames
from selftaught.source import digest_of

SIDE, LENGTH = 16, 16
CLASSES = ("across", "down")
VARIANTS: tuple[dict[str, Any], ...] = ({"channels": 1}, {"cameras": 2})
"""Arguments of `source` and `seen` for other toys that a method should accept."""


def source(n: int = 96, seed: int = 0, channels: int = 3, cameras: int = 1) -> Frames:
    """Return n frames of videos of 16, in which a bright blob crosses its own still background.

    Another seed gives different ones. The class is the direction. Several cameras see the same blob elsewhere, on
    backgrounds of their own.
    """
    rng = np.random.default_rng(seed)
    clips, labels = list[Clip](), list[int]()
    left = n
    while left > 0:
        scene, kind = len(labels), int(rng.integers(0, 2))
        length = min(LENGTH, left // cameras) or left
        moves = rng.uniform(0.3, 0.7, 2)
        start, speed = rng.uniform(0.05, 0.25), rng.uniform(0.6, 0.75)
        tint = rng.uniform(0.5, 1.0, channels)
        for camera in range(cameras if left >= cameras else 1):
            along = start + speed * np.arange(length) / LENGTH
            across = np.full(length, moves[0] + 0.1 * camera)
            x, y = (along, across) if kind == 0 else (across, along)
            grid = (np.arange(SIDE) + 0.5) / SIDE
            blob = np.exp(-((grid[None, :, None] - y[:, None, None]) ** 2 + (grid - x[:, None, None]) ** 2) / 0.012)
            ground = rng.uniform(0, 90, (SIDE, SIDE, channels))
            noise = rng.uniform(0, 15, (length, SIDE, SIDE, channels))
            pixels = (ground + noise + 150 * blob[..., None] * tint).astype(np.uint8)
            clips.append(Clip(f"{scene}-{camera}", pixels, digest_of(pixels.tobytes()), 25.0, f"scene {scene}", camera))
            labels.append(kind)
            left -= length
    return Frames(clips, np.array(labels), CLASSES)


def seen(channels: int = 3, cameras: int = 1) -> dict[str, Any]:
    """Return the description of the input for an encoder."""
    return {
        "kind": "video", "size": SIDE, "channels": channels, "mean": [0.25] * channels, "std": [0.2] * channels,
        "side": SIDE,
    }  # fmt: skip
