"""Antialiased linear resizing of a part of a uint8 image, first along x, then along y.

numba's cache does not see that `image.py` compiles these functions in: whoever changes this file touches that one too.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

TOP, LEFT, HEIGHT, WIDTH, GRID_Y, GRID_X, FIRST_Y, FIRST_X = range(8)
"""A box: height x width pixels from (top, left) become a grid, of which the view keeps S x S from (first y, first x)."""

_FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint32]


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
def join(pixels: Bytes, base: int, stride: int, height: int, words: Words) -> None:
    """`height` rows from byte `base` on, `stride` bytes apart, four rows side by side in words [ceil(height / 4), bytes in a row].

    The last row stands in for rows that are not there.
    """
    size = words.shape[1]
    for group in range(words.shape[0]):
        first, below = base + 4 * group * stride, height - 1 - 4 * group
        second, third, fourth = first + min(1, below) * stride, first + min(2, below) * stride, first + min(3, below) * stride
        a, b = pixels[first : first + size], pixels[second : second + size]
        c, d = pixels[third : third + size], pixels[fourth : fourth + size]
        for i in range(size):
            low = np.uint32(a[i]) | (np.uint32(b[i]) << np.uint32(8))
            words[group, i] = low | (np.uint32(c[i]) << np.uint32(16)) | (np.uint32(d[i]) << np.uint32(24))


@njit(cache=True, nogil=True, fastmath=_FAST)
def _byte(word: np.uint32, shift: np.uint32) -> np.float32:
    return np.float32(np.int32((word >> shift) & np.uint32(255)))


@njit(cache=True, nogil=True, fastmath=_FAST)
def along_x(words: Words, channels: int, channel: int, start: Ints, weight: Floats, count: int, rows: Floats) -> None:
    """One channel of joined rows, resized along x: rows [height, S].

    The lookup of each tap has no contiguous memory to run over. So it fetches a word with four rows' bytes, and the arithmetic,
    which is then contiguous, is left to vector instructions: 2 to 3 times as fast as a scalar loop that is compiled for three
    channels, 5 to 7 times one for any number (benchmarks/views.py measures the former).
    """
    height, n = rows.shape
    place = np.empty(n, np.uint64)  # unsigned, so that no index can be from the end: that test would keep loops scalar
    for x in range(n):
        place[x] = start[x] * channels + channel
    found = np.empty((count, n), np.uint32)
    for top in range(0, height, 4):
        for k in range(count):
            offset = np.uint64(k * channels)
            for x in range(n):
                found[k, x] = words[top // 4, place[x] + offset]
        for y in range(top, min(top + 4, height)):
            shift = np.uint32(8 * (y - top))
            if count == 1:
                for x in range(n):
                    rows[y, x] = weight[0, x] * _byte(found[0, x], shift)
            else:
                for x in range(n):
                    rows[y, x] = weight[0, x] * _byte(found[0, x], shift) + weight[1, x] * _byte(found[1, x], shift)
            for k in range(2, count):
                for x in range(n):
                    rows[y, x] += weight[k, x] * _byte(found[k, x], shift)


@njit(cache=True, nogil=True, fastmath=_FAST)
def along_y(rows: Floats, start: Ints, weight: Floats, count: int, margin: int, plane: Floats) -> None:
    """Then along y: rows [height, S] into plane [S + 2 margin, S + 2 margin], whose margins are left as they are."""
    n = start.size
    left = np.uint64(margin)  # unsigned for the same reason
    for y in range(n):
        first, w = start[y], weight[0, y]
        if count == 1:
            for x in range(n):
                plane[margin + y, left + np.uint64(x)] = w * rows[first, x]
        else:
            v = weight[1, y]
            for x in range(n):
                plane[margin + y, left + np.uint64(x)] = w * rows[first, x] + v * rows[first + 1, x]
        for k in range(2, count):
            w = weight[k, y]
            for x in range(n):
                plane[margin + y, left + np.uint64(x)] += w * rows[first + k, x]


@njit(cache=True, nogil=True, fastmath=_FAST)
def resize(pixels: Bytes, base: int, stride: int, box: Ints, mirror_x: bool, mirror_y: bool, margin: int, planes: Floats) -> None:
    """A box of an image as planes [C, S + 2 margin, S + 2 margin] in [0, 1], whose margins are left as they are.

    The image begins at byte `base`, and its rows are `stride` bytes apart.
    """
    channels, n = planes.shape[0], planes.shape[1] - 2 * margin
    height, width = box[HEIGHT], box[WIDTH]
    start = np.empty((2, n), np.int64)
    weight_y = np.empty((most_taps(height, box[GRID_Y]), n), np.float32)
    weight_x = np.empty((most_taps(width, box[GRID_X]), n), np.float32)
    count_y = taps(height, box[GRID_Y], box[FIRST_Y], mirror_y, 1 / 255, start[0], weight_y)
    count_x = taps(width, box[GRID_X], box[FIRST_X], mirror_x, 1.0, start[1], weight_x)
    words = np.empty(((height + 3) // 4, width * channels), np.uint32)
    join(pixels, base + box[TOP] * stride + box[LEFT] * channels, stride, height, words)
    rows = np.empty((height, n), np.float32)
    for c in range(channels):
        along_x(words, channels, c, start[1], weight_x, count_x, rows)
        along_y(rows, start[0], weight_y, count_y, margin, planes[c])
