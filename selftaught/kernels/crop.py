"""Where a random resized crop lies, once the image's size is known."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def crops(
    area: Doubles, log_ratio: Doubles, place: Doubles, sizes: Ints, ratio: tuple[float, float], found: Ints
) -> None:
    """torchvision's RandomResizedCrop.

    The first of several tries that fits, or else the largest centre crop in `ratio`.

    Args:
        area: Each try's area as a part of the image's, float64 [B, tries].
        log_ratio: Each try's logarithm of width over height, float64 [B, tries].
        place: Where the crop lies, between the first row and column (0) and the last (1) that it may begin at, float64
            [B, 2].
        sizes: Height and width of each image, int64 [B, 2].
        ratio: Smallest and largest width over height.
        found: Top, left, height and width, int64 [B, 4].
    """
    for b in range(len(sizes)):
        height, width = sizes[b, 0], sizes[b, 1]
        h, w = height, width
        fits = False
        for k in range(area.shape[1]):
            pixels, r = area[b, k] * height * width, math.exp(log_ratio[b, k])
            w, h = np.int64(np.rint(math.sqrt(pixels * r))), np.int64(np.rint(math.sqrt(pixels / r)))
            fits = 0 < w <= width and 0 < h <= height
            if fits:
                break
        if not fits:
            h, w = height, width
            if width / height < ratio[0]:
                h = np.int64(np.rint(width / ratio[0]))
            elif width / height > ratio[1]:
                w = np.int64(np.rint(height * ratio[1]))
        found[b, 0] = np.int64(place[b, 0] * (height - h + 1)) if fits else (height - h) // 2
        found[b, 1] = np.int64(place[b, 1] * (width - w + 1)) if fits else (width - w) // 2
        found[b, 2], found[b, 3] = h, w
