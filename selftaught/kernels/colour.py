"""Lab of images, and the nearest bins of their colours, in compiled loops.

The roots are Halley's method from a first guess made of the bits of the number, because calls of ``pow`` would keep the
compiler from computing several pixels at once. They are exact to 1e-7, that is to rounding.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

STRIP = 1024  # pixels that go through all steps while they are in the L1 cache

_FAST = {"nsz", "arcp", "contract", "reassoc"}
_ZERO, _ONE, _TWO, _THREE = np.float32(0), np.float32(1), np.float32(2), np.float32(3)
_GUESS3, _GUESS5 = np.int32(709921077), np.int32(852282163)  # the bits of 1, times 2/3 and 4/5, and a little less


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _cube_root(x: np.float32) -> np.float32:
    r = np.int32(np.float32(x).view(np.int32) // np.int32(3) + _GUESS3).view(np.float32)
    for _ in range(2):
        cube = r * r * r
        r *= (cube + x + x) / (cube + cube + x)
    return r


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _fifth_root(x: np.float32) -> np.float32:
    r = np.int32(np.float32(x).view(np.int32) // np.int32(5) + _GUESS5).view(np.float32)
    for _ in range(2):
        fifth = r * r * (r * r) * r
        r *= (_TWO * fifth + _THREE * x) / (_THREE * fifth + _TWO * x)
    return r


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _linear(v: np.float32) -> np.float32:
    """Undo the curve of sRGB: y^2.4 is the fifth root of y^12."""
    y = (max(v, np.float32(0.04045)) + np.float32(0.055)) * np.float32(1 / 1.055)
    square = y * y
    curve = square * _fifth_root(square)
    return curve if v > np.float32(0.04045) else v * np.float32(1 / 12.92)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _curve(share: np.float32) -> np.float32:
    root = _cube_root(max(share, np.float32(0.008856)))
    return root if share > np.float32(0.008856) else np.float32(7.787) * share + np.float32(16 / 116)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def lab(images: Floats, scale: Floats, shift: Floats, matrix: Floats, out: Floats) -> None:
    """Convert sRGB to CIE L*a*b*, as `parts.colour.lab` does.

    Args:
        images: float32 [B, 3, P]; ``images * scale + shift``, cut to [0, 1], is sRGB.
        scale: float32 [3].
        shift: float32 [3].
        matrix: float32 [3, 3]: linear RGB to X, Y and Z as shares of white.
        out: float32 [B, 3, P].
    """
    pixels = images.shape[2]
    linear = np.empty((3, STRIP), np.float32)
    for b in range(images.shape[0]):
        for begin in range(0, pixels, STRIP):
            count = min(STRIP, pixels - begin)
            for c in range(3):
                times, plus = scale[c], shift[c]
                for i in range(count):
                    linear[c, i] = _linear(min(max(images[b, c, begin + i] * times + plus, _ZERO), _ONE))
            for axis in range(3):
                red, green, blue = matrix[axis, 0], matrix[axis, 1], matrix[axis, 2]
                for i in range(count):
                    out[b, axis, begin + i] = _curve(red * linear[0, i] + green * linear[1, i] + blue * linear[2, i])
            for i in range(begin, begin + count):
                x, y, z = out[b, 0, i], out[b, 1, i], out[b, 2, i]
                out[b, 0, i] = np.float32(116) * y - np.float32(16)
                out[b, 1, i] = np.float32(500) * (x - y)
                out[b, 2, i] = np.float32(200) * (y - z)


@njit(cache=True, nogil=True, error_model="numpy")
def nearest(
    ab: Floats, step: float, least: int, start: Ints, candidates: Ints, centres: Doubles, sigma: float, near: Ints,
    share: Floats,
) -> None:  # fmt: skip
    """Find the K nearest bins of every colour, the nearest first, and their weights ``exp(-d^2 / 2 sigma^2)``.

    The plane is cut into squares of side `step` around its multiples; each square lists the bins that can be among the
    K nearest of a colour in it. A colour outside the outermost squares belongs to the nearest of them.

    Args:
        ab: float32 [B, 2, P].
        step: Side of a square.
        least: The square of number 0 is at ``(least, least)``, in steps.
        start: Where the candidates of each square begin, and the end: int64 [side, side + 1] by row.
        candidates: int64 [M].
        centres: float64 [Q, 2].
        sigma: Deviation of the Gaussian.
        near: int64 [B, K, P], written.
        share: float32 [B, K, P], written; sums to 1 over K.
    """
    count, side = near.shape[1], start.shape[0]
    best, weight = np.empty(count), np.empty(count)
    found = np.empty(count, np.int64)
    for i in range(ab.shape[0]):
        for p in range(ab.shape[2]):
            a, b = np.float64(ab[i, 0, p]), np.float64(ab[i, 1, p])
            row = min(max(np.int64(np.rint(a / step)) - least, 0), side - 1)
            column = min(max(np.int64(np.rint(b / step)) - least, 0), side - 1)
            best[:] = np.inf
            for m in range(start[row, column], start[row, column + 1]):
                q = candidates[m]
                distance = (a - centres[q, 0]) ** 2 + (b - centres[q, 1]) ** 2
                place = count
                while place > 0 and distance < best[place - 1]:
                    place -= 1
                for later in range(count - 1, place, -1):
                    best[later], found[later] = best[later - 1], found[later - 1]
                if place < count:
                    best[place], found[place] = distance, q
            total = 0.0
            for k in range(count):
                weight[k] = np.exp((best[0] - best[k]) / (2 * sigma * sigma))
                total += weight[k]
            for k in range(count):
                near[i, k, p], share[i, k, p] = found[k], weight[k] / total
