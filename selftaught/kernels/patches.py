"""Cutting patches out of images."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def cut(images: Floats, corner: Ints, mirror: Flags, keep: Ints, out: Floats) -> None:
    """Copy P squares of each image, optionally flipped horizontally or reduced to one channel.

    Args:
        images: float32 [B, C, H, W].
        corner: First row and column of each channel of each patch, int64 [B, P, C, 2], inside the image.
        mirror: Horizontal flip, bool [B, P].
        keep: The only channel that is copied, the others become 0; -1 copies all. int64 [B, P].
        out: float32 [B, P, C, p, p].
    """
    batch, patches, channels, size, _ = out.shape
    for b in range(batch):
        for p in range(patches):
            for c in range(channels):
                top, left = corner[b, p, c, 0], corner[b, p, c, 1]
                if keep[b, p] >= 0 and keep[b, p] != c:
                    out[b, p, c] = 0
                elif mirror[b, p]:
                    for y in range(size):
                        for x in range(size):
                            out[b, p, c, y, x] = images[b, c, top + y, left + size - 1 - x]
                else:
                    for y in range(size):
                        for x in range(size):
                            out[b, p, c, y, x] = images[b, c, top + y, left + x]
