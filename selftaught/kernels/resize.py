"""Antialiased linear resizing of a part of a uint8 image, first along x, then along y."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@njit(cache=True, nogil=True, fastmath=_FAST)
def most_taps(size: int, grid: int) -> int:
    """No output of `taps` takes more input pixels than this."""
    return 2 * math.ceil(max(size / grid, 1.0)) + 2


@njit(cache=True, nogil=True, fastmath=_FAST)
def taps(size: int, grid: int, first: int, mirrored: bool, gain: float, start: Ints, weight: Floats) -> int:
    """Where to look and how much to take, to resize `size` pixels to places first .. first + S of a grid of `grid` pixels.

    Output o is ``sum_k weight[k, o] * in[start[o] + k]``; each output's weights sum to `gain`. The triangle is as wide as
    an output pixel when the image shrinks, as PIL's and torch's (antialias=True). Returns the number of taps, the same for
    all outputs; none reads outside the input. start is int64 [S], weight float32 [`most_taps`, S].
    """
    n = start.size
    scale = size / grid
    support = max(scale, 1.0)
    inverse = 1 / support
    most = 1
    for o in range(n):
        centre = scale * (first + o + 0.5)
        low = max(int(centre - support + 0.5), 0)
        count = min(int(centre + support + 0.5), size) - low
        place = n - 1 - o if mirrored else o
        total = 0.0
        for k in range(count):
            w = max(1.0 - abs((low + k - centre + 0.5) * inverse), 0.0)
            weight[k, place] = w
            total += w
        for k in range(count):
            weight[k, place] *= gain / total
            if weight[k, place] > 0:
                most = max(most, k + 1)
        for k in range(count, weight.shape[0]):
            weight[k, place] = 0
        start[place] = low
    for o in range(n):
        over = start[o] + most - size
        if over > 0:
            for k in range(most - 1, -1, -1):
                weight[k, o] = weight[k - over, o] if k >= over else 0
            start[o] -= over
    return most


@njit(cache=True, nogil=True, fastmath=_FAST)
def _join(pixels: Bytes, first: int, stride: int, below: int, words: NDArray[np.uint32]) -> None:
    """Four rows' bytes side by side in words; `below` more rows are there, and the last one stands in for what is not."""
    a = pixels[first : first + words.size]
    b = pixels[first + min(1, below) * stride : first + min(1, below) * stride + words.size]
    c = pixels[first + min(2, below) * stride : first + min(2, below) * stride + words.size]
    d = pixels[first + min(3, below) * stride : first + min(3, below) * stride + words.size]
    for i in range(words.size):
        low = np.uint32(a[i]) | (np.uint32(b[i]) << np.uint32(8))
        words[i] = low | (np.uint32(c[i]) << np.uint32(16)) | (np.uint32(d[i]) << np.uint32(24))


@njit(cache=True, nogil=True, fastmath=_FAST)
def _byte(word: np.uint32, shift: np.uint32) -> np.float32:
    return np.float32(np.int32((word >> shift) & np.uint32(255)))


@njit(cache=True, nogil=True, fastmath=_FAST)
def along_x(pixels: Bytes, base: int, stride: int, width: int, start: Ints, weight: Floats, count: int, rows: Floats) -> None:
    """A part of an image resized along x: rows [height, C, S]. `base` is its first byte, `stride` bytes make a row.

    The lookup of each tap has no contiguous memory to run over. So four rows' bytes share a 32-bit word: one lookup serves
    four rows, and the arithmetic, which is then contiguous, is left to vector instructions.
    """
    height, channels, n = rows.shape
    words = np.empty(width * channels, np.uint32)
    place = np.empty(n, np.uint64)  # unsigned, so that no index can be from the end: that test would keep loops scalar
    for x in range(n):
        place[x] = start[x] * channels
    found = np.empty((count, channels, n), np.uint32)
    for top in range(0, height, 4):
        _join(pixels, base + top * stride, stride, height - 1 - top, words)
        for k in range(count):
            for c in range(channels):
                offset = np.uint64(k * channels + c)
                for x in range(n):
                    found[k, c, x] = words[place[x] + offset]
        for y in range(top, min(top + 4, height)):
            shift = np.uint32(8 * (y - top))
            for c in range(channels):
                if count == 1:
                    for x in range(n):
                        rows[y, c, x] = weight[0, x] * _byte(found[0, c, x], shift)
                else:
                    for x in range(n):
                        a, b = _byte(found[0, c, x], shift), _byte(found[1, c, x], shift)
                        rows[y, c, x] = weight[0, x] * a + weight[1, x] * b
                for k in range(2, count):
                    for x in range(n):
                        rows[y, c, x] += weight[k, x] * _byte(found[k, c, x], shift)


@njit(cache=True, nogil=True, fastmath=_FAST)
def along_y(rows: Floats, start: Ints, weight: Floats, count: int, margin: int, planes: Floats) -> None:
    """Then along y: rows [height, C, S] into planes [C, S + 2 margin, S + 2 margin], whose margins are left as they are."""
    n = start.size
    left = np.uint64(margin)  # unsigned for the same reason
    for c in range(planes.shape[0]):
        for y in range(n):
            first, w = start[y], weight[0, y]
            if count == 1:
                for x in range(n):
                    planes[c, margin + y, left + np.uint64(x)] = w * rows[first, c, x]
            else:
                v = weight[1, y]
                for x in range(n):
                    planes[c, margin + y, left + np.uint64(x)] = w * rows[first, c, x] + v * rows[first + 1, c, x]
            for k in range(2, count):
                w = weight[k, y]
                for x in range(n):
                    planes[c, margin + y, left + np.uint64(x)] += w * rows[first + k, c, x]
