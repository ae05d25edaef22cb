"""Rendered pairs with known depth, from which any method of pairs should learn something within seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.stereo.source import Pair, Pairs

SIZE = 16
VARIANTS: tuple[dict[str, Any], ...] = ({"channels": 3},)
"""Arguments of `source` and `seen` for other toys that a method should accept."""


def source(n: int = 96, seed: int = 0, channels: int = 1, size: int = SIZE) -> Pairs:
    """Return n pairs of a textured square in front of a textured wall; another seed gives different ones.

    Disparities are whole pixels: the wall has 0 or 1 sixteenths of the width, the square 2, 3 or 4. What is nearer is
    brighter, so that one eye can tell.
    """
    rng = np.random.default_rng(seed)
    pairs = [render(rng, channels, size) for _ in range(n)]
    return Pairs(lambda i: pairs[i], np.full((n, 2), size, np.int64), channels, True)


def render(rng: np.random.Generator, channels: int, size: int) -> Pair:
    """Return one pair, with the disparity of every pixel of the left picture."""
    unit = size // SIZE
    far, near = int(rng.integers(0, 2)) * unit, int(rng.integers(2, 5)) * unit
    wall = _texture(rng, size, size + far, channels, 0.15 + 0.1 * (far > 0))
    height, width = (int(side) for side in rng.integers(size * 5 // 16, size * 9 // 16, 2))
    top = int(rng.integers(0, size - height))
    left = int(rng.integers(near, size - width))
    square = _texture(rng, height, width, channels, 0.3 + 0.15 * near / unit)
    first, second = wall[:, :size].copy(), wall[:, far : far + size].copy()
    disparity = np.full((size, size), far, np.float32)
    rows = slice(top, top + height)
    first[rows, left : left + width] = second[rows, left - near : left - near + width] = square
    disparity[rows, left : left + width] = near
    return Pair(first, second, disparity, 1.0)


def _texture(rng: np.random.Generator, height: int, width: int, channels: int, light: float) -> NDArray[np.uint8]:
    """Return random pixels, uint8 [H, W, C], smooth enough that a shift by a part of a pixel is a little one."""
    noise = rng.uniform(-1, 1, (height + 2, width + 2, channels))
    smooth = sum(noise[y : y + height, x : x + width] for y in range(3) for x in range(3)) / 3
    return np.clip(255 * (light + 0.12 * smooth), 0, 255).astype(np.uint8)


def seen(channels: int = 1, size: int = SIZE) -> dict[str, Any]:
    """Return the description of the input for an encoder."""
    return {"kind": "stereo", "size": size, "channels": channels, "mean": [0.4] * channels, "std": [0.25] * channels}
