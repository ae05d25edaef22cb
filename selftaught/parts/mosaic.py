"""Small pictures joined to a large one, for a person to look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
BACKGROUND = 255


def mosaic(tiles: Pixels, gap: int = 1) -> Pixels:
    """Join tiles [rows, columns, h, w, C] to one picture [H, W, C], with `gap` white pixels between them.

    >>> mosaic(np.zeros((2, 2, 1, 1, 1), np.uint8))[:, :, 0].tolist()
    [[0, 255, 0], [255, 255, 255], [0, 255, 0]]
    """
    rows, columns, height, width, channels = tiles.shape
    whole = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), BACKGROUND, dtype=np.uint8)
    for y in range(rows):
        for x in range(columns):
            top, left = y * (height + gap), x * (width + gap)
            whole[top : top + height, left : left + width] = tiles[y, x]
    return whole
