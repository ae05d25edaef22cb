"""Random views of uint8 images, fused: crop, resize, flip, turn, colours, blur and normalise, from bytes to float32 planes.

One sample's view stays in a core's cache from its bytes to its output, and every inner loop runs over contiguous memory, so
that the compiler makes vector code of it. For the resize along x that takes two transpositions: LANES rows side by side.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

STRIP = 1024  # pixels that go through all colour operations before the next ones
BRIGHTNESS, CONTRAST, SATURATION, HUE, NOTHING = 0, 1, 2, 3, -1
TOP, LEFT, HEIGHT, WIDTH, GRID_Y, GRID_X, FIRST_Y, FIRST_X = range(8)
RED, GREEN, BLUE = np.float32(0.2989), np.float32(0.587), np.float32(0.114)

_FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}
_ZERO, _HALF, _ONE, _SIX = np.float32(0), np.float32(0.5), np.float32(1), np.float32(6)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _taps(size, grid, first, mirrored, start, weight):  # type: ignore[no-untyped-def]
    """Antialiased linear resampling of `size` pixels to places first .. first + S of a grid of `grid` pixels.

    Output o is ``sum_k weight[o, k] * in[start[o] + k]``. Returns the number of taps, the same for all outputs; all
    taps read inside the input.
    """
    n = start.size
    scale = size / grid
    support = max(scale, 1.0)
    most = 1
    for o in range(n):
        centre = scale * (first + o + 0.5)
        low = max(int(centre - support + 0.5), 0)
        high = min(int(centre + support + 0.5), size)
        place = n - 1 - o if mirrored else o
        total = 0.0
        for k in range(high - low):
            w = max(1.0 - abs((k + low - centre + 0.5) / support), 0.0)
            weight[place, k] = w
            total += w
        last = 0
        for k in range(high - low):
            weight[place, k] /= total
            if weight[place, k] > 0:
                last = k
        for k in range(high - low, weight.shape[1]):
            weight[place, k] = 0
        start[place] = low
        most = max(most, last + 1)
    for o in range(n):
        over = start[o] + most - size
        if over > 0:
            for k in range(most - 1, -1, -1):
                weight[o, k] = weight[o, k - over] if k >= over else 0
            start[o] -= over
    return most


@njit(cache=True, nogil=True, fastmath=_FAST)
def _interleave(a, b, c, d, words):  # type: ignore[no-untyped-def]
    """Four rows of bytes as one row of words."""
    for i in range(words.size):
        words[i] = (
            np.uint32(a[i])
            | (np.uint32(b[i]) << np.uint32(8))
            | (np.uint32(c[i]) << np.uint32(16))
            | (np.uint32(d[i]) << np.uint32(24))
        )


@njit(cache=True, nogil=True, fastmath=_FAST)
def _take(words, place, found):  # type: ignore[no-untyped-def]
    for i in range(found.size):
        found[i] = words[place[i]]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _byte(word, shift):  # type: ignore[no-untyped-def]
    return np.float32(np.int32((word >> shift) & np.uint32(255)))


@njit(cache=True, nogil=True, fastmath=_FAST)
def _tap(word, weight, shift, row):  # type: ignore[no-untyped-def]
    for i in range(row.size):
        row[i] = weight[i] * _byte(word[i], shift)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _two_taps(word, next_word, weight, next_weight, shift, row):  # type: ignore[no-untyped-def]
    for i in range(row.size):
        row[i] = weight[i] * _byte(word[i], shift) + next_weight[i] * _byte(next_word[i], shift)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _add_tap(word, weight, shift, row):  # type: ignore[no-untyped-def]
    for i in range(row.size):
        row[i] += weight[i] * _byte(word[i], shift)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _along_x(pixels, base, stride, width, start, weight, taps, rows):  # type: ignore[no-untyped-def]
    """The crop resized along x: rows [height, C, S]. `base` is its first byte, `stride` bytes make a row.

    Four rows' bytes share a 32-bit word, so that the lookup of each tap, which no vector unit likes, serves four rows.
    """
    height, channels, n = rows.shape
    flat = rows.reshape(height, channels * n)
    place = np.empty(channels * n, np.uint32)
    share = np.empty((taps, channels * n), np.float32)
    for c in range(channels):
        for x in range(n):
            place[c * n + x] = start[x] * channels + c
            for k in range(taps):
                share[k, c * n + x] = weight[x, k]
    size = width * channels
    words = np.empty(size, np.uint32)
    found = np.empty((taps, channels * n), np.uint32)
    for top in range(0, height, 4):
        first = base + top * stride
        second = first + min(1, height - 1 - top) * stride
        third = first + min(2, height - 1 - top) * stride
        fourth = first + min(3, height - 1 - top) * stride
        _interleave(
            pixels[first : first + size], pixels[second : second + size], pixels[third : third + size],
            pixels[fourth : fourth + size], words,
        )  # fmt: skip
        for k in range(taps):
            _take(words[k * channels :], place, found[k])
        for row in range(min(4, height - top)):
            shift = np.uint32(8 * row)
            if taps == 1:
                _tap(found[0], share[0], shift, flat[top + row])
            else:
                _two_taps(found[0], found[1], share[0], share[1], shift, flat[top + row])
            for k in range(2, taps):
                _add_tap(found[k], share[k], shift, flat[top + row])


@njit(cache=True, nogil=True, fastmath=_FAST)
def _along_y(rows, start, weight, taps, planes):  # type: ignore[no-untyped-def]
    """Then along y: rows [height, C, S] to planes [C, S * S]."""
    n = start.size
    for c in range(planes.shape[0]):
        for y in range(n):
            row, a, w = planes[c, y * n : y * n + n], rows[start[y], c], weight[y, 0]
            if taps == 1:
                for x in range(n):
                    row[x] = w * a[x]
            else:
                b, v = rows[start[y] + 1, c], weight[y, 1]
                for x in range(n):
                    row[x] = w * a[x] + v * b[x]
            for k in range(2, taps):
                a, w = rows[start[y] + k, c], weight[y, k]
                for x in range(n):
                    row[x] += w * a[x]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _unit(v):  # type: ignore[no-untyped-def]
    return min(max(v, _ZERO), _ONE)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _affine(plane, factor, shift):  # type: ignore[no-untyped-def]
    """Brightness and contrast: ``clamp(factor * v + shift)``."""
    for i in range(plane.size):
        plane[i] = _unit(plane[i] * factor + shift)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _saturate(r, g, b, factor):  # type: ignore[no-untyped-def]
    """``clamp(factor * v + (1 - factor) * luma)``; a factor of 0 makes the picture grey."""
    for i in range(r.size):
        grey = (_ONE - factor) * (RED * r[i] + GREEN * g[i] + BLUE * b[i])
        r[i] = _unit(factor * r[i] + grey)
        g[i] = _unit(factor * g[i] + grey)
        b[i] = _unit(factor * b[i] + grey)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _turned(value, chroma, h):  # type: ignore[no-untyped-def]
    """One channel of an HSV colour; h in [0, 12), in sixths of a circle."""
    k = h - _SIX if h >= _SIX else h
    return value - chroma * max(min(min(k, np.float32(4) - k), _ONE), _ZERO)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _hue(red, green, blue, sixths):  # type: ignore[no-untyped-def]
    """Turn the hue in HSV, exactly, by `sixths` (in [-3, 3]) of a sixth of the circle."""
    for i in range(red.size):
        r, g, b = red[i], green[i], blue[i]
        value = max(r, max(g, b))
        chroma = value - min(r, min(g, b))
        inverse = _ONE / (chroma if chroma > _ZERO else _ONE)
        h = (g - b) * inverse
        h = np.float32(2) + (b - r) * inverse if (value == g and value != r) else h
        h = np.float32(4) + (r - g) * inverse if (value != g and value != r) else h
        h = h + sixths
        h = h + _SIX if h < _ZERO else h
        h = h - _SIX if h >= _SIX else h
        red[i] = _turned(value, chroma, h + np.float32(5))
        green[i] = _turned(value, chroma, h + np.float32(3))
        blue[i] = _turned(value, chroma, h + np.float32(1))


@njit(cache=True, nogil=True, fastmath=_FAST)
def _recolour(planes, order, factor, mean):  # type: ignore[no-untyped-def]
    """The jitter's operations `order` on pixels that fit a core's cache, one after the other."""
    for begin in range(0, planes.shape[1], STRIP):
        end = min(begin + STRIP, planes.shape[1])
        for operation in order:
            f = np.float32(factor[operation])
            if operation == BRIGHTNESS:
                for c in range(planes.shape[0]):
                    _affine(planes[c, begin:end], f, _ZERO)
            elif operation == CONTRAST:
                for c in range(planes.shape[0]):
                    _affine(planes[c, begin:end], f, (_ONE - f) * mean)
            elif operation == SATURATION and planes.shape[0] == 3:
                _saturate(planes[0, begin:end], planes[1, begin:end], planes[2, begin:end], f)
            elif operation == HUE and planes.shape[0] == 3:
                _hue(planes[0, begin:end], planes[1, begin:end], planes[2, begin:end], _SIX * f)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _mean(planes, luma):  # type: ignore[no-untyped-def]
    """The mean grey value."""
    total = 0.0
    for c in range(planes.shape[0]):
        plane, part = planes[c], _ZERO
        for i in range(plane.size):
            part += plane[i]
        total += luma[c] * part
    return np.float32(total / planes.shape[1])


@njit(cache=True, nogil=True, fastmath=_FAST)
def _colours(planes, order, factor, grey, luma):  # type: ignore[no-untyped-def]
    """Jitter in its order, contrast around the mean at its place in the order, then grey."""
    place = 4
    for i in range(4):
        if order[i] == CONTRAST:
            place = i
    if order[0] != NOTHING:
        _recolour(planes, order[:place], factor, _ZERO)
    if place < 4:
        _recolour(planes, order[place:], factor, _mean(planes, luma))
    if grey and planes.shape[0] == 3:
        _saturate(planes[0], planes[1], planes[2], _ZERO)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _spread(source, centre, step, kernel, out):  # type: ignore[no-untyped-def]
    """``out[i] = sum_t kernel[abs(t)] * source[centre + i + t * step]``; the kernel's last place is odd."""
    for begin in range(0, out.size, STRIP):
        size = min(STRIP, out.size - begin)
        done = out[begin : begin + size]
        first = centre + begin
        middle, a, b = source[first : first + size], source[first - step : first - step + size], source[first + step : first + step + size]
        for i in range(size):
            done[i] = kernel[0] * middle[i] + kernel[1] * (a[i] + b[i])
        for t in range(2, kernel.size, 2):
            near, far = t * step, (t + 1) * step
            a, b = source[first - near : first - near + size], source[first + near : first + near + size]
            c, d = source[first - far : first - far + size], source[first + far : first + far + size]
            v, w = kernel[t], kernel[t + 1]
            for i in range(size):
                done[i] += v * (a[i] + b[i]) + w * (c[i] + d[i])


@njit(cache=True, nogil=True, fastmath=_FAST)
def _copy(source, target):  # type: ignore[no-untyped-def]
    for i in range(target.size):
        target[i] = source[i]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _blur(planes, n, sigma):  # type: ignore[no-untyped-def]
    """Gaussian blur, cut at 3 sigma, edges mirrored."""
    radius = min(int(math.ceil(3 * sigma)), n - 1)
    margin = radius + 1 - radius % 2  # an odd number: `_spread` takes two at a time
    kernel = np.zeros(margin + 1, np.float32)
    total = 0.0
    for t in range(radius + 1):
        kernel[t] = math.exp(-0.5 * (t / sigma) ** 2)
        total += kernel[t] * (1 if t == 0 else 2)
    kernel /= np.float32(total)
    wide = n + 2 * margin
    tall = np.zeros((wide, n), np.float32)
    broad = np.zeros((n, wide), np.float32)
    blurred = np.empty(n * wide, np.float32)
    for c in range(planes.shape[0]):
        plane = planes[c].reshape(n, n)
        for y in range(n):
            _copy(plane[y], tall[margin + y])
        for t in range(1, radius + 1):
            _copy(plane[t], tall[margin - t])
            _copy(plane[n - 1 - t], tall[margin + n - 1 + t])
        _spread(tall.reshape(wide * n), margin * n, n, kernel, planes[c])
        for y in range(n):
            row, source = broad[y], plane[y]
            _copy(source, row[margin : margin + n])
            for t in range(1, radius + 1):
                row[margin - t] = source[t]
                row[margin + n - 1 + t] = source[n - 1 - t]
        _spread(broad.reshape(n * wide), margin, 1, kernel, blurred[: n * wide - 2 * margin])
        for y in range(n):
            _copy(blurred[y * wide : y * wide + n], plane[y])


@njit(cache=True, nogil=True, fastmath=_FAST)
def _finish(planes, solarise, transposed, scale, shift, out):  # type: ignore[no-untyped-def]
    """Solarise, normalise and lay out as rows, or as columns when `transposed`: out [C, S, S]."""
    channels, n = out.shape[:2]
    for c in range(channels):
        plane = planes[c]
        if solarise:
            for i in range(plane.size):
                plane[i] = _ONE - plane[i] if plane[i] >= _HALF else plane[i]
        flat = out[c].reshape(n * n)
        w, v = scale[c], shift[c]
        if transposed:
            for y in range(n):
                for x in range(n):
                    flat[x * n + y] = plane[y * n + x] * w + v
        else:
            for i in range(plane.size):
                flat[i] = plane[i] * w + v


@njit(cache=True, nogil=True, fastmath=_FAST)
def _view(pixels, base, stride, box, flip, turn, order, factor, grey, sigma, solarise, luma, scale, shift, out):  # type: ignore[no-untyped-def]
    channels, n = out.shape[:2]
    # A quarter turn anticlockwise is a mirror image along x, then a transposition; two are both mirrors
    mirror_x = (flip != 0) != (turn == 1 or turn == 2)
    mirror_y = turn == 2 or turn == 3
    height, width = box[HEIGHT], box[WIDTH]
    most = 2 * int(math.ceil(max(height / box[GRID_Y], width / box[GRID_X], 1.0))) + 2
    start = np.empty((2, n), np.int64)
    weight = np.empty((2, n, most), np.float32)
    y_taps = _taps(height, box[GRID_Y], box[FIRST_Y], mirror_y, start[0], weight[0])
    x_taps = _taps(width, box[GRID_X], box[FIRST_X], mirror_x, start[1], weight[1])
    weight[0] *= np.float32(1 / 255)
    rows = np.empty((height, channels, n), np.float32)
    planes = np.empty((channels, n * n), np.float32)
    crop = base + box[TOP] * stride + box[LEFT] * channels
    _along_x(pixels, crop, stride, width, start[1], weight[1], x_taps, rows)
    _along_y(rows, start[0], weight[0], y_taps, planes)
    _colours(planes, order, factor, grey, luma)
    if sigma > 0 and n > 1:
        _blur(planes, n, sigma)
    _finish(planes, solarise, turn == 1 or turn == 3, scale, shift, out)


@njit(cache=True, nogil=True, parallel=True)
def views(pixels, first, width, begin, box, flip, turn, order, factor, grey, sigma, solarise, luma, scale, shift, tasks, out):  # type: ignore[no-untyped-def]
    """All views of all samples, samples spread over the cores.

    Args:
        pixels: All images' bytes, uint8, one after the other.
        first: Where each image begins in `pixels`, int64 [n]: these are the samples begin .. begin + n of the batch.
        width: Each image's width, int64 [B].
        begin: See `first`.
        box: For each sample and view the crop and the grid it is resized to, int64 [B, V, 8], see `TOP` and its neighbours:
            height x width pixels from (top, left) become GRID_Y x GRID_X pixels, of which S x S from (FIRST_Y, FIRST_X) are kept.
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
    samples = first.size
    for task in prange(tasks):
        for i in range(samples * task // tasks, samples * (task + 1) // tasks):
            b = begin + i
            for v in range(out.shape[0]):
                _view(
                    pixels, first[i], width[b] * out.shape[2], box[b, v], flip[b, v], turn[b, v], order[b, v], factor[b, v],
                    grey[b, v], sigma[b, v], solarise[b, v], luma, scale, shift, out[v, b],
                )  # fmt: skip
