"""Antialiased linear resizing of a part of a uint8 image, first along x, then along y.

numba's cache does not see that `image.py` compiles these functions in: whoever changes this file touches that one too.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from selftaught.kernels.borrowed import borrowed

TOP, LEFT, HEIGHT, WIDTH, GRID_Y, GRID_X, FIRST_Y, FIRST_X = range(8)
"""A box: height x width pixels from (top, left) become a grid, of which the view keeps S x S from (first y, first
x)."""

_0, _8, _16, _24 = np.uint32(0), np.uint32(8), np.uint32(16), np.uint32(24)
_FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint32]
Places = NDArray[np.uint64]  # unsigned, so that no index can be from the end: that test would keep loops scalar
Scratch = tuple[Ints, Floats, Words, Places, Words, Floats]


@njit(cache=True, nogil=True, fastmath=_FAST)
def most_taps(size: int, grid: int) -> int:
    """No output of `taps` takes more input pixels than this."""
    return 2 * math.ceil(max(size / grid, 1.0)) + 2


@njit(cache=True, nogil=True, fastmath=_FAST)
def taps(size: int, grid: int, first: int, mirrored: bool, gain: float, start: Ints, weight: Floats) -> int:
    """Where to look and how much to take, to resize `size` pixels to places first ..

    First + S of a grid of `grid` pixels.

    Output o is ``sum_k weight[k, o] * in[start[o] + k]``; each output's weights sum to `gain`. The triangle is as wide
    as an output pixel when the image shrinks, as PIL's and torch's (antialias=True). Returns the number of taps, the
    same for all outputs; none reads outside the input. start is int64 [S], weight float32 [`most_taps`, S], of which
    the taps are written.
    """
    scale = size / grid
    begin, step = (scale * (first + start.size - 0.5), -scale) if mirrored else (scale * (first + 0.5), scale)
    if size > grid:
        count: int = _triangles(size, scale, begin, step, gain, start, weight)
        return count
    if size == grid or size == 1:
        for o in range(start.size):
            start[o] = min(int(begin + step * o), size - 1)
            weight[0, o] = gain
        return 1
    for o in range(start.size):  # between the centres of two pixels; beyond the first and the last centre, at it
        place = min(max(begin + step * o - 0.5, 0.0), size - 1.0)
        start[o] = min(int(place), size - 2)
        weight[1, o] = gain * (place - start[o])
        weight[0, o] = gain - weight[1, o]
    return 2


@njit(cache=True, nogil=True, fastmath=_FAST)
def _triangles(size: int, scale: float, begin: float, step: float, gain: float, start: Ints, weight: Floats) -> int:
    """`taps` where the image shrinks; output o is centred at begin + step * o."""
    n, inverse, most = start.size, 1 / scale, 1
    for o in range(n):
        centre, total = begin + step * o, 0.0
        low = max(int(centre - scale + 0.5), 0)
        count = min(int(centre + scale + 0.5), size) - low
        for k in range(count):
            w = max(1.0 - abs((low + k - centre + 0.5) * inverse), 0.0)
            weight[k, o] = w
            total += w
        for k in range(count):
            weight[k, o] *= gain / total
            if weight[k, o] > 0:
                most = max(most, k + 1)
        for k in range(count, weight.shape[0]):
            weight[k, o] = 0
        start[o] = low
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
        second, third, fourth = (
            first + min(1, below) * stride,
            first + min(2, below) * stride,
            first + min(3, below) * stride,
        )
        a, b = pixels[first : first + size], pixels[second : second + size]
        c, d = pixels[third : third + size], pixels[fourth : fourth + size]
        for i in range(size):
            low = np.uint32(a[i]) | (np.uint32(b[i]) << np.uint32(8))
            words[group, i] = low | (np.uint32(c[i]) << np.uint32(16)) | (np.uint32(d[i]) << np.uint32(24))


@njit(cache=True, nogil=True, fastmath=_FAST)
def _byte(word: np.uint32, shift: np.uint32) -> np.float32:
    return np.float32(np.int32((word >> shift) & np.uint32(255)))


@njit(cache=True, nogil=True, fastmath=_FAST)
def along_x(
    words: Words,
    channels: int,
    channel: int,
    start: Ints,
    weight: Floats,
    count: int,
    place: Places,
    found: Words,
    rows: Floats,
) -> None:
    """One channel of joined rows, resized along x: rows [height, S], height a multiple of 4, as `join` fills up.

    The lookup of each tap has no contiguous memory to run over. So it fetches a word with four rows' bytes, and the
    arithmetic, which is then contiguous, is left to vector instructions: several times as fast as a scalar loop
    (benchmarks/views.py measures it). `place` [S] and `found` [`count`, S] are scratch.
    """
    height, n = rows.shape
    for x in range(n):
        place[x] = start[x] * channels + channel
    for group in range(height // 4):
        for k in range(count):
            offset = np.uint64(k * channels)
            for x in range(n):
                found[k, x] = words[group, place[x] + offset]
        first = np.uint64(4 * group)
        second, third, fourth = first + np.uint64(1), first + np.uint64(2), first + np.uint64(3)
        if count == 1:
            for x in range(n):
                a, v = found[0, x], weight[0, x]
                rows[first, x] = v * _byte(a, _0)
                rows[second, x] = v * _byte(a, _8)
                rows[third, x] = v * _byte(a, _16)
                rows[fourth, x] = v * _byte(a, _24)
        else:
            for x in range(n):
                a, b, v, w = found[0, x], found[1, x], weight[0, x], weight[1, x]
                rows[first, x] = v * _byte(a, _0) + w * _byte(b, _0)
                rows[second, x] = v * _byte(a, _8) + w * _byte(b, _8)
                rows[third, x] = v * _byte(a, _16) + w * _byte(b, _16)
                rows[fourth, x] = v * _byte(a, _24) + w * _byte(b, _24)
        for k in range(2, count):
            for x in range(n):
                a, v = found[k, x], weight[k, x]
                rows[first, x] += v * _byte(a, _0)
                rows[second, x] += v * _byte(a, _8)
                rows[third, x] += v * _byte(a, _16)
                rows[fourth, x] += v * _byte(a, _24)


@njit(cache=True, nogil=True, fastmath=_FAST)
def along_y(rows: Floats, start: Ints, weight: Floats, count: int, margin: int, plane: Floats) -> None:
    """Then along y: rows [height, S] into plane [S + 2 margin, S], whose first and last `margin` rows are left as they are."""
    n = start.size
    for y in range(n):
        first, w = start[y], weight[0, y]
        if count == 1:
            for x in range(n):
                plane[margin + y, x] = w * rows[first, x]
        else:
            v = weight[1, y]
            for x in range(n):
                plane[margin + y, x] = w * rows[first, x] + v * rows[first + 1, x]
        for k in range(2, count):
            w = weight[k, y]
            for x in range(n):
                plane[margin + y, x] += w * rows[first + k, x]


@njit(cache=True, nogil=True)
def scratch(boxes: Ints, channels: int, n: int) -> Scratch:
    """Memory that `resize` works in, enough for any of `boxes` [..., 8] to n x n pixels.

    To ask for it once is a tenth faster.
    """
    height = width = count = 1
    for box in boxes.reshape(-1, boxes.shape[-1]):
        height, width = max(height, box[HEIGHT]), max(width, box[WIDTH])
        count = max(count, most_taps(box[HEIGHT], box[GRID_Y]), most_taps(box[WIDTH], box[GRID_X]))
    return (
        np.empty((2, n), np.int64),
        np.empty((2, count, n), np.float32),
        np.empty((height + 3) // 4 * width * channels, np.uint32),
        np.empty(n, np.uint64),
        np.empty((count, n), np.uint32),
        np.empty(((height + 3) // 4 * 4, n), np.float32),
    )


@njit(cache=True, nogil=True)
def lend(owned: Scratch) -> Scratch:
    """See `borrowed`."""
    starts, weights, words, place, found, rows = owned
    return borrowed(starts), borrowed(weights), borrowed(words), borrowed(place), borrowed(found), borrowed(rows)


@njit(cache=True, nogil=True, fastmath=_FAST)
def resize(
    pixels: Bytes,
    base: int,
    stride: int,
    box: Ints,
    mirror_x: bool,
    mirror_y: bool,
    margin: int,
    planes: Floats,
    scratch: Scratch,
) -> None:
    """A box of an image as planes [C, S + 2 margin, S] in [0, 1], whose first and last `margin` rows are left as they are.

    The image begins at byte `base`, and its rows are `stride` bytes apart.
    """
    start, weight, memory, place, found, rows = scratch
    channels, height, width = planes.shape[0], box[HEIGHT], box[WIDTH]
    count_y = taps(height, box[GRID_Y], box[FIRST_Y], mirror_y, 1 / 255, start[0], weight[0])
    count_x = taps(width, box[GRID_X], box[FIRST_X], mirror_x, 1.0, start[1], weight[1])
    groups = (height + 3) // 4
    words = memory[: groups * width * channels].reshape(groups, width * channels)
    join(pixels, base + box[TOP] * stride + box[LEFT] * channels, stride, height, words)
    for c in range(channels):
        along_x(words, channels, c, start[1], weight[1], count_x, place, found, rows[: 4 * groups])
        along_y(rows, start[0], weight[0], count_y, margin, planes[c])
