"""Warped and recoloured copies of a part of each image: the compiled form of `views.warp`."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Places = NDArray[np.uint64]  # unsigned, because a test for negative indices would cost time

_FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}
_ZERO, _HALF, _ONE, _TWO, _THREE = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2), np.float32(3)
_FOUR, _SIX, _SIXTH, _TINY = np.float32(4), np.float32(6), np.float32(1 / 6), np.float32(1e-20)
_LN2, _TWICE, _LEAST = np.float32(np.log(2)), np.float32(2 / np.log(2)), np.float32(-126)
_LOG = (np.float32(1 / 3), np.float32(1 / 5), np.float32(1 / 7), np.float32(1 / 9))
_EXP = (np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24), np.float32(1 / 120), np.float32(1 / 720))


@njit(cache=True, nogil=True)
def busiest(images: Floats, side: int, spot: Floats, smooth: float, corner: Ints) -> None:
    """Choose a square of `side` pixels in each image, in proportion to its mean squared gradient.

    Args:
        images: float32 [B, C, H, W], at least as large as the square.
        side: Side of the square.
        spot: Decides in [0, 1), float32 [B].
        smooth: Added to the sum of squared gradients of each square.
        corner: Out: first row and column, int64 [B, 2].
    """
    batch, channels, height, width = images.shape
    total = np.zeros((height + 1, width + 1))
    rows, columns = height - side + 1, width - side + 1
    chance = np.empty(rows * columns)
    for b in range(batch):
        for y in range(height):
            line = 0.0
            for x in range(width):
                if y + 1 < height and x + 1 < width:
                    energy = _ZERO
                    for c in range(channels):
                        here = images[b, c, y, x]
                        down, across = images[b, c, y + 1, x] - here, images[b, c, y, x + 1] - here
                        energy += down * down + across * across
                    line += float(energy)
                total[y + 1, x + 1] = total[y, x + 1] + line
        sum_ = 0.0
        for y in range(rows):
            for x in range(columns):
                inside = total[y + side, x + side] - total[y, x + side] - total[y + side, x] + total[y, x]
                sum_ += max(inside, 0.0) + smooth
                chance[y * columns + x] = sum_
        drawn = min(np.searchsorted(chance, spot[b] * sum_, side="right"), rows * columns - 1)
        corner[b, 0], corner[b, 1] = drawn // columns, drawn % columns


@njit(cache=True, nogil=True)
def _inside(x: float, n: int) -> float:
    """Mirror a coordinate at the outer edges of n pixels."""
    x = abs(x + 0.5)
    turns = int(x / n)
    x -= turns * n
    x = (n - x if turns % 2 else x) - 0.5
    return min(max(x, 0.0), n - 1.0)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _unit(v: np.float32) -> np.float32:
    return min(max(v, _ZERO), _ONE)


@njit(cache=True, nogil=True, fastmath=_FAST)
def changed(values: Floats, power: float, factor: float, shift: float) -> None:
    """Raise values [n] in [0, 1] to a power, then times `factor` plus `shift`, cut to [0, 1]; in place.

    The power is 2^(p log2 v), by the bits of v and two series, so that it is computed with vector instructions: a fifth
    of the time of the library's. Its error is below 5e-6 for powers up to 4.
    """
    bits = values.view(np.int32)
    p, f, s = np.float32(power), np.float32(factor), np.float32(shift)
    for i in range(values.size):
        exponent = np.float32((bits[i] >> np.int32(23)) - np.int32(127))
        bits[i] = (bits[i] & np.int32(0x7FFFFF)) | np.int32(0x3F800000)
        t = (values[i] - _ONE) / (values[i] + _ONE)  # of the mantissa in [1, 2): log m = 2 atanh t
        q = t * t
        series = _ONE + q * (_LOG[0] + q * (_LOG[1] + q * (_LOG[2] + q * _LOG[3])))
        x = max(p * (exponent + _TWICE * t * series), _LEAST)
        whole = np.floor(x + _HALF)
        r = (x - whole) * _LN2
        rest = _ONE + r * (_ONE + r * (_EXP[0] + r * (_EXP[1] + r * (_EXP[2] + r * (_EXP[3] + r * _EXP[4])))))
        bits[i] = (np.int32(whole) + np.int32(127)) << np.int32(23)
        values[i] = _unit(values[i] * rest * f + s)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _toned(planes: Floats, tone: Floats, scratch: Floats) -> None:
    """Change saturation, value and hue of planes [C, pixels] in place; scratch is [3, pixels]."""
    channels, pixels = planes.shape
    if channels != 3:
        for c in range(channels):
            for i in range(pixels):
                planes[c, i] = _unit(planes[c, i])
            changed(planes[c], tone[3], tone[4], tone[5])
        return
    saturation, value, hue = scratch[0], scratch[1], scratch[2]
    turn = _SIX * tone[6]
    for i in range(pixels):
        r, g, b = _unit(planes[0, i]), _unit(planes[1, i]), _unit(planes[2, i])
        v = max(r, g, b)
        chroma = v - min(r, g, b)
        near = _ZERO if v == r else _TWO if v == g else _FOUR
        far = g - b if v == r else b - r if v == g else r - g
        h = near + turn + far / max(chroma, _TINY)
        hue[i] = h - _SIX * np.floor(h * _SIXTH)
        saturation[i], value[i] = chroma / max(v, _TINY), v
        planes[0, i] = _ONE if chroma > _ZERO else _ZERO  # whether it has a colour
    changed(saturation, tone[0], tone[1], tone[2])
    changed(value, tone[3], tone[4], tone[5])
    for i in range(pixels):
        h, v = hue[i], value[i]
        colour = v * saturation[i] * planes[0, i]
        planes[0, i] = v - colour * _unit(_TWO - abs(h - _THREE))
        planes[1, i] = v - colour * _unit(abs(h - _TWO) - _ONE)
        planes[2, i] = v - colour * _unit(abs(h - _FOUR) - _ONE)


@njit(cache=True, nogil=True)
def _places(m: Doubles, top: int, left: int, side: int, height: int, width: int, place: Places, part: Floats) -> None:
    """Compute where the pixels of a copy lie: the pixel above and to the left, and the parts of the next, y and x."""
    step, last_y, last_x = 2 / side, max(height - 2, 0), max(width - 2, 0)
    for i in range(side):
        w = (i + 0.5) * step - 1
        x = left + (m[0, 0] * (0.5 * step - 1) + m[0, 1] * w + m[0, 2] + 1) * side / 2 - 0.5
        y = top + (m[1, 0] * (0.5 * step - 1) + m[1, 1] * w + m[1, 2] + 1) * side / 2 - 0.5
        for j in range(side):
            px, py = x + m[0, 0] * j, y + m[1, 0] * j
            if px < 0 or px > width - 1:
                px = _inside(px, width)
            if py < 0 or py > height - 1:
                py = _inside(py, height)
            column, row = min(int(px), last_x), min(int(py), last_y)
            k = i * side + j
            place[k] = np.uint64(row * width + column)
            part[0, k], part[1, k] = py - row, px - column


@njit(cache=True, nogil=True, fastmath=_FAST)
def _sampled(plane: Floats, width: int, place: Places, part: Floats, scale: float, shift: float, out: Floats) -> None:
    """Interpolate a plane [H * W] at the places of a copy, linearly in both directions, times `scale` plus `shift`."""
    across = np.uint64(1 if width > 1 else 0)
    below = np.uint64(width if plane.size > width else 0)
    a, b = np.float32(scale), np.float32(shift)
    for k in range(out.size):
        first, fy, fx = place[k], part[0, k], part[1, k]
        upper = plane[first] + fx * (plane[first + across] - plane[first])
        second = first + below
        lower = plane[second] + fx * (plane[second + across] - plane[second])
        out[k] = (upper + fy * (lower - upper)) * a + b


@njit(cache=True, nogil=True, fastmath=_FAST)
def _mixed(planes: Floats, matrix: Floats, out: Floats) -> None:
    """Multiply the colours of planes [C, pixels] by a matrix, around their mean."""
    channels, pixels = planes.shape
    middle = np.empty(channels, np.float32)
    for c in range(channels):
        total = _ZERO
        for i in range(pixels):
            total += planes[c, i]
        middle[c] = total / np.float32(pixels)
    for c in range(channels):
        out[c] = middle[c]
        for k in range(channels):
            f, m = matrix[c, k], middle[k]
            for i in range(pixels):
                out[c, i] += f * (planes[k, i] - m)


@njit(cache=True, nogil=True)
def copies(
    canvas: Floats,
    corner: Ints,
    affine: Doubles,
    turn: Floats,
    tone: Floats,
    mean: Floats,
    std: Floats,
    contrast: bool,
    colour: bool,
    out: Floats,
) -> None:
    """Sample V copies of a square of each image and change their colours.

    Args:
        canvas: Normalised images, float32 [B, C, H, W].
        corner: First row and column of the square, int64 [B, 2].
        affine: From coordinates of a copy, -1 to 1 (x, y, 1), to those of the square, float64 [B, V, 2, 3].
        turn: Matrices that scale colours along their principal axes, float32 [B, V, C, C].
        tone: Power, factor and addition of saturation, those of value, and the turn of the hue, float32 [B, V, 7].
        mean: Of each channel in the normalisation, float32 [C].
        std: As well.
        contrast: Whether `turn` is used.
        colour: Whether `tone` is used.
        out: float32 [V, B, C, S, S].
    """
    versions, batch, channels, side, _ = out.shape
    height, width = canvas.shape[2:]
    flat, target = canvas.reshape(batch, channels, height * width), out.reshape(versions, batch, channels, side * side)
    place, part = np.empty(side * side, np.uint64), np.empty((2, side * side), np.float32)
    scratch = np.empty((3, side * side), np.float32)
    planes, mixed = np.empty((channels, side * side), np.float32), np.empty((channels, side * side), np.float32)
    for b in range(batch):
        for v in range(versions):
            _places(affine[b, v], corner[b, 0], corner[b, 1], side, height, width, place, part)
            for c in range(channels):
                _sampled(flat[b, c], width, place, part, std[c], mean[c], planes[c])
            colours = planes
            if contrast:
                _mixed(planes, turn[b, v], mixed)
                colours = mixed
            if colour:
                _toned(colours, tone[b, v], scratch)
            for c in range(channels):
                scale = _ONE / std[c]
                for i in range(side * side):
                    target[v, b, c, i] = (_unit(colours[c, i]) - mean[c]) * scale
