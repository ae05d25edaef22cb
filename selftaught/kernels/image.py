"""Random views of uint8 images, fused.

Crop, resize, flip, turn, colours, blur and normalise, from bytes to float32 planes.

One sample's view stays in a core's cache from its bytes to its output. Inner loops run over contiguous memory, so that
the compiler makes vector code of them, and index whole arrays: a slice inside a hot loop costs two atomic reference
counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from selftaught.kernels.borrowed import borrowed, kept
from selftaught.kernels.resize import Scratch, lend, resize, scratch

BRIGHTNESS, CONTRAST, SATURATION, HUE, NOTHING = 0, 1, 2, 3, -1
RED, GREEN, BLUE = np.float32(0.2989), np.float32(0.587), np.float32(0.114)
STRIP = 1024  # pixels that go through one operation after the other while they are in the first cache

_FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}
_ZERO, _HALF, _ONE, _SIX = np.float32(0), np.float32(0.5), np.float32(1), np.float32(6)
_TWO, _THREE, _FOUR, _SIXTH, _TINY = np.float32(2), np.float32(3), np.float32(4), np.float32(1 / 6), np.float32(1e-20)

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _unit(v: np.float32) -> np.float32:
    return min(max(v, _ZERO), _ONE)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _affine(plane: Floats, factor: np.float32, shift: np.float32) -> None:
    """Brightness and contrast: ``clamp(factor * v + shift)``."""
    for i in range(plane.size):
        plane[i] = _unit(plane[i] * factor + shift)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _saturate(r: Floats, g: Floats, b: Floats, factor: np.float32) -> None:
    """``clamp(factor * v + (1 - factor) * luma)``; a factor of 0 makes the picture grey."""
    for i in range(r.size):
        grey = (_ONE - factor) * (RED * r[i] + GREEN * g[i] + BLUE * b[i])
        r[i] = _unit(factor * r[i] + grey)
        g[i] = _unit(factor * g[i] + grey)
        b[i] = _unit(factor * b[i] + grey)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _hue(red: Floats, green: Floats, blue: Floats, sixths: np.float32) -> None:
    """Turn the hue in HSV, exactly, by `sixths` (in [-3, 3]) of a sixth of the circle."""
    for i in range(red.size):
        r, g, b = red[i], green[i], blue[i]
        value = max(r, g, b)
        chroma = value - min(r, g, b)
        # Where on the circle: near red (0), green (2) or blue (4), and how far from it, (-1 to 1) x chroma
        near = _ZERO if value == r else _TWO if value == g else _FOUR
        far = g - b if value == r else b - r if value == g else r - g
        h = near + sixths + far / max(chroma, _TINY)
        h -= _SIX * np.floor(h * _SIXTH)
        red[i] = value - chroma * _unit(_TWO - abs(h - _THREE))
        green[i] = value - chroma * _unit(abs(h - _TWO) - _ONE)
        blue[i] = value - chroma * _unit(abs(h - _FOUR) - _ONE)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _recolour(planes: Floats, begin: int, end: int, order: Ints, factor: Doubles, mean: np.float32) -> None:
    """The jitter's operations `order` on pixels begin ..

    End of planes [C, pixels], as many at a time as fit the first cache.
    """
    for first in range(begin, end, STRIP):
        last = min(first + STRIP, end)
        for operation in order:
            f = np.float32(factor[operation])
            if operation == BRIGHTNESS:
                for c in range(planes.shape[0]):
                    _affine(planes[c, first:last], f, _ZERO)
            elif operation == CONTRAST:
                for c in range(planes.shape[0]):
                    _affine(planes[c, first:last], f, (_ONE - f) * mean)
            elif operation == SATURATION and planes.shape[0] == 3:
                _saturate(planes[0, first:last], planes[1, first:last], planes[2, first:last], f)
            elif operation == HUE and planes.shape[0] == 3:
                _hue(planes[0, first:last], planes[1, first:last], planes[2, first:last], _SIX * f)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _total(planes: Floats, begin: int, end: int, luma: Floats) -> float:
    """The sum of pixels' grey values."""
    total = 0.0
    for c in range(planes.shape[0]):
        plane, part = planes[c, begin:end], _ZERO
        for i in range(plane.size):
            part += plane[i]
        total += luma[c] * part
    return total


@njit(cache=True, nogil=True, fastmath=_FAST)
def _colours(planes: Floats, margin: int, order: Ints, factor: Doubles, grey: bool, luma: Floats) -> None:
    """Jitter in its order, contrast around the mean at its place in the order, then grey.

    The pictures are rows `margin` .. margin + n of planes [C, n + 2 margin, n].
    """
    channels, _, n = planes.shape
    flat = planes.reshape(channels, planes.shape[1] * n)
    begin, end = margin * n, (margin + n) * n
    place = 4
    for i in range(4):
        if order[i] == CONTRAST:
            place = i
    if order[0] != NOTHING:
        _recolour(flat, begin, end, order[:place], factor, _ZERO)
    if place < 4:
        _recolour(flat, begin, end, order[place:], factor, np.float32(_total(flat, begin, end, luma) / (n * n)))
    if grey and channels == 3:
        _saturate(flat[0, begin:end], flat[1, begin:end], flat[2, begin:end], _ZERO)


def _run(taps: int) -> Callable[[Floats, int, int, Floats, Floats], None]:
    """`_spread` for a kernel of so many taps on each side: a constant to the compiler, which unrolls them."""

    @njit(cache=True, nogil=True, fastmath=_FAST)
    def run(source: Floats, centre: int, step: int, kernel: Floats, out: Floats) -> None:
        for i in range(out.size):
            middle = np.uint64(centre) + np.uint64(i)
            total = kernel[0] * source[middle]
            for t in range(1, taps + 1):
                away = np.uint64(t) * np.uint64(step)
                total += kernel[t] * (source[middle - away] + source[middle + away])
            out[i] = total

    return run  # type: ignore[no-any-return]


_one, _two, _three, _four, _five, _six = (_run(taps) for taps in range(1, 7))
MOST = 6  # taps on each side that are summed in one run: to add to what is there costs as much as two more


@njit(cache=True, nogil=True, fastmath=_FAST)
def _spread(source: Floats, centre: int, step: int, kernel: Floats, out: Floats) -> None:
    """``out[i] = sum_t kernel[abs(t)] * source[centre + i + t * step]``, t to 1 ...

    `MOST`, or to any even number beyond.
    """
    taps = kernel.size - 1
    if taps == 1:
        _one(source, centre, step, kernel, out)
    elif taps == 2:
        _two(source, centre, step, kernel, out)
    elif taps == 3:
        _three(source, centre, step, kernel, out)
    elif taps == 4:
        _four(source, centre, step, kernel, out)
    elif taps == 5:
        _five(source, centre, step, kernel, out)
    else:
        _six(source, centre, step, kernel, out)
        for t in range(MOST + 1, taps, 2):
            near, far = np.uint64(t) * np.uint64(step), np.uint64(t + 1) * np.uint64(step)
            v, w = kernel[t], kernel[t + 1]
            for i in range(out.size):
                middle = np.uint64(centre) + np.uint64(i)
                out[i] += v * (source[middle - near] + source[middle + near]) + w * (
                    source[middle - far] + source[middle + far]
                )


@njit(cache=True, nogil=True, fastmath=_FAST)
def _margin(sigma: float, n: int) -> int:
    """Pixels that a blur of n x n pixels reads beyond them, as many as `_spread` takes; 0 without a blur."""
    if sigma <= 0 or n == 1:
        return 0
    radius = min(math.ceil(3 * sigma), n - 1)
    return radius + radius % 2 if radius > MOST else radius


@njit(cache=True, nogil=True, fastmath=_FAST)
def _gaussian(sigma: float, n: int, kernel: Floats) -> int:
    """Half a Gaussian kernel, cut at 3 sigma and padded with zeros to [margin + 1]; returns where it is cut."""
    radius = min(math.ceil(3 * sigma), n - 1)
    total = 0.0
    for t in range(radius + 1):
        kernel[t] = math.exp(-0.5 * (t / sigma) ** 2)
        total += kernel[t] * (1 if t == 0 else 2)
    for t in range(kernel.size):
        kernel[t] = kernel[t] / total if t <= radius else 0.0
    return radius


@njit(cache=True, nogil=True, fastmath=_FAST)
def _blur(plane: Floats, kernel: Floats, radius: int, wide: Floats, blurred: Floats) -> None:
    """Gaussian blur, edges mirrored, of the middle n rows of plane [n + 2 margin, n], whose other rows take the mirror images.

    So each direction is one run over all pixels. `wide` is scratch [n, n + 2 margin]; the result's rows, in blurred [n
    * (n + 2 margin)], are as long as its rows and begin with the picture's.
    """
    n, margin = plane.shape[1], kernel.size - 1
    first, last = np.uint64(margin), np.uint64(margin + n - 1)
    for i in range(1, margin + 1):
        # Beyond the radius the kernel is zero: what stands there must only be finite
        t, near = np.uint64(i), np.uint64(min(i, radius))
        for x in range(n):
            plane[first - t, x] = plane[first + near, x]
        for x in range(n):  # in a loop of its own: fewer places that the compiler must show to be apart
            plane[last + t, x] = plane[last - near, x]
    _spread(plane.reshape(plane.size), margin * n, n, kernel, blurred[: n * n])
    for y in range(n):
        for x in range(n):
            wide[y, first + np.uint64(x)] = blurred[y * n + x]
    for i in range(1, margin + 1):
        t, near = np.uint64(i), np.uint64(min(i, radius))
        for y in range(n):
            wide[y, first - t] = wide[y, first + near]
            wide[y, last + t] = wide[y, last - near]
    _spread(wide.reshape(wide.size), margin, np.int64(1), kernel, blurred[: wide.size - 2 * margin])


@njit(cache=True, nogil=True, fastmath=_FAST)
def _finish(plane: Floats, solarise: bool, transposed: bool, scale: np.float32, shift: np.float32, out: Floats) -> None:
    """Solarise, normalise and lay out as rows, or as columns when `transposed`.

    The first n pixels of n rows to out [n, n].
    """
    n = out.shape[0]
    for y in range(n):
        if solarise:
            for x in range(n):
                plane[y, x] = _ONE - plane[y, x] if plane[y, x] >= _HALF else plane[y, x]
        if transposed:
            for x in range(n):
                out[x, y] = plane[y, x] * scale + shift
        else:
            for x in range(n):
                out[y, x] = plane[y, x] * scale + shift


@njit(cache=True, nogil=True, fastmath=_FAST)
def _view(
    pixels: Bytes,
    base: int,
    stride: int,
    box: Ints,
    flip: bool,
    turn: int,
    order: Ints,
    factor: Doubles,
    grey: bool,
    sigma: float,
    solarise: bool,
    luma: Floats,
    scale: Floats,
    shift: Floats,
    memory: Floats,
    scratch: Scratch,
    out: Floats,
) -> None:
    """One view of one sample."""
    channels, n, _ = out.shape
    margin = _margin(sigma, n)
    tall = n + 2 * margin
    planes = memory[: channels * tall * n].reshape(channels, tall, n)
    # A quarter turn anticlockwise is a mirror image along x, then a transposition; two are both mirrors
    resize(pixels, base, stride, box, flip != (turn in (1, 2)), turn in (2, 3), margin, planes, scratch)
    _colours(planes, margin, order, factor, grey, luma)
    transposed = turn in (1, 3)
    if margin:
        rest = memory[planes.size :]
        kernel, wide, blurred = (
            rest[: margin + 1],
            rest[margin + 1 : margin + 1 + n * tall],
            rest[margin + 1 + n * tall :][: n * tall],
        )
        radius = _gaussian(sigma, n, kernel)
        for c in range(channels):
            _blur(planes[c], kernel, radius, wide.reshape(n, tall), blurred)
            _finish(blurred.reshape(n, tall), solarise, transposed, scale[c], shift[c], out[c])
    else:
        for c in range(channels):
            _finish(planes[c], solarise, transposed, scale[c], shift[c], out[c])


@njit(cache=True, nogil=True, parallel=True)
def views(
    pixels: Bytes,
    first: Ints,
    width: Ints,
    begin: int,
    box: Ints,
    flip: Flags,
    turn: Ints,
    order: Ints,
    factor: Doubles,
    grey: Flags,
    sigma: Doubles,
    solarise: Flags,
    luma: Floats,
    scale: Floats,
    shift: Floats,
    tasks: int,
    out: Floats,
) -> None:
    """All views of all samples, samples spread over the cores.

    Args:
        pixels: All images' bytes, uint8, one after the other.
        first: Where each image begins in `pixels`, int64 [n]: these are the samples begin .. begin + n of the batch.
        width: Each image's width, int64 [B].
        begin: See `first`.
        box: For each sample and view the crop and the grid it is resized to, int64 [B, V, 8], see
            `resize.TOP` and its neighbours.
        flip: Mirror left to right, bool [B, V].
        turn: Quarter turns anticlockwise, after the flip, int64 [B, V].
        order: The jitter's operations, first to last, or `NOTHING`, int64 [B, V, 4].
        factor: Brightness, contrast, saturation (1 = unchanged) and hue (in turns, 0 = unchanged), float64 [B, V, 4].
        grey: bool [B, V]; three channels only, as are saturation and hue.
        sigma: Of the blur in pixels of the output, 0 = none, float64 [B, V].
        solarise: Invert what is at least half, bool [B, V].
        luma: Each channel's share in the grey value that contrast turns around, float32 [C].
        scale: What each channel in [0, 1] is multiplied by in the end, float32 [C].
        shift: What is then added, float32 [C].
        tasks: How many parts to split the samples into: as many as there are threads.
        out: float32 [V, B, C, S, S].
    """
    samples, channels, n = first.size, out.shape[2], out.shape[3]
    tall = n + 2 * _margin(sigma.max(), n)
    for task in prange(tasks):
        owners = (
            np.empty((channels + 2) * tall * n + tall, np.float32),
            scratch(box[begin : begin + samples], channels, n),
        )
        memory, working = borrowed(owners[0]), lend(owners[1])
        for i in range(samples * task // tasks, samples * (task + 1) // tasks):
            b = begin + i
            for v in range(out.shape[0]):
                _view(
                    pixels, first[i], width[b] * channels, box[b, v], flip[b, v], turn[b, v], order[b, v], factor[b, v],
                    grey[b, v], sigma[b, v], solarise[b, v], luma, scale, shift, memory, working, out[v, b],
                )  # fmt: skip
        kept(owners)
