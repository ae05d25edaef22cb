"""Disparities and errors as colours that a person can read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NEARNESS = ((13, 8, 65), (85, 15, 109), (158, 42, 99), (217, 81, 60), (246, 146, 36), (252, 253, 164))
"""From far to near: dark violet, red, orange, pale yellow. Lightness rises evenly, so it is readable in grey."""
MISTAKE = ((33, 62, 112), (94, 149, 190), (224, 232, 236), (240, 165, 110), (178, 34, 40))
"""From no error to a large one: blue, white, red."""
UNKNOWN = (120, 124, 130)


def coloured(
    values: NDArray[np.floating[Any]],
    low: float | None = None,
    high: float | None = None,
    colours: tuple[tuple[int, int, int], ...] = NEARNESS,
) -> NDArray[np.uint8]:
    """Return numbers [H, W] as a picture, uint8 [H, W, 3]; what is not finite is grey.

    Args:
        values: The numbers.
        low: The number that has the first colour; by default the smallest.
        high: The number that has the last colour; by default the largest.
        colours: The colours, evenly spaced.
    """
    known = np.isfinite(values)
    there = values[known] if known.any() else np.zeros(1)
    low = float(there.min()) if low is None else low
    high = float(there.max()) if high is None else high
    part = np.where(known, (np.where(known, values, low) - low) / max(high - low, 1e-9), 0).clip(0, 1)
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(part, stops, [colour[c] for colour in colours]) for c in range(3)]
    picture: NDArray[np.uint8] = np.rint(np.stack(channels, -1)).astype(np.uint8)
    picture[~known] = UNKNOWN
    return picture
