"""Random views of uint8 images, fused: crop, resize, flip, turn, colours, blur and normalise, from bytes to float32 planes.

One sample's view stays in a core's cache from its bytes to its output. Pixels are kept in columns of `LANES` rows while they
are resized along x, recoloured and blurred along x, so that every inner loop runs over contiguous memory:
``columns[block, c, x, lane]`` is channel c of pixel (x, y = block * LANES + lane).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

LANES = 16
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
def _resize(pixels, base, stride, channels, y_start, y_weight, y_taps, x_start, x_weight, x_taps, line, lanes, columns):  # type: ignore[no-untyped-def]
    """Rows first, written across the lanes; then columns. `base` is the first byte of the crop, `stride` bytes make a row."""
    n = y_start.size
    for block in range(columns.shape[0]):
        for lane in range(LANES):
            y = block * LANES + lane
            if y < n:
                top = base + y_start[y] * stride
                row = pixels[top : top + line.size]
                w = y_weight[y, 0]
                for i in range(line.size):
                    line[i] = w * np.float32(row[i])
                for k in range(1, y_taps):
                    row = pixels[top + k * stride : top + k * stride + line.size]
                    w = y_weight[y, k]
                    if w != 0:
                        for i in range(line.size):
                            line[i] += w * np.float32(row[i])
            else:
                line[:] = 0
            for i in range(line.size):
                lanes[i, lane] = line[i]
        for x in range(n):
            first = x_start[x] * channels
            for c in range(channels):
                column = columns[block, c, x]
                source = lanes[first + c]
                w = x_weight[x, 0]
                for lane in range(LANES):
                    column[lane] = w * source[lane]
                for k in range(1, x_taps):
                    source = lanes[first + c + k * channels]
                    w = x_weight[x, k]
                    for lane in range(LANES):
                        column[lane] += w * source[lane]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _unit(v):  # type: ignore[no-untyped-def]
    return min(max(v, _ZERO), _ONE)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _affine(planes, factor, shift):  # type: ignore[no-untyped-def]
    """Brightness and contrast: ``clamp(factor * v + shift)``."""
    for c in range(planes.shape[0]):
        plane = planes[c]
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
def _recolour(planes, order, factor, begin, end, mean):  # type: ignore[no-untyped-def]
    for i in range(begin, end):
        if order[i] == BRIGHTNESS:
            _affine(planes, np.float32(factor[BRIGHTNESS]), _ZERO)
        elif order[i] == CONTRAST:
            f = np.float32(factor[CONTRAST])
            _affine(planes, f, (_ONE - f) * mean)
        elif order[i] == SATURATION and planes.shape[0] == 3:
            _saturate(planes[0], planes[1], planes[2], np.float32(factor[SATURATION]))
        elif order[i] == HUE and planes.shape[0] == 3:
            _hue(planes[0], planes[1], planes[2], np.float32(6 * factor[HUE]))


@njit(cache=True, nogil=True, fastmath=_FAST)
def _luma(planes, luma):  # type: ignore[no-untyped-def]
    total = 0.0
    for c in range(planes.shape[0]):
        s = _ZERO
        plane = planes[c]
        for i in range(plane.size):
            s += plane[i]
        total += luma[c] * s
    return total


@njit(cache=True, nogil=True, fastmath=_FAST)
def _colours(columns, n, order, factor, grey, luma):  # type: ignore[no-untyped-def]
    """Jitter in its order, contrast around the mean at its place in the order, then grey."""
    blocks, channels = columns.shape[:2]
    place = 4
    for i in range(4):
        if order[i] == CONTRAST:
            place = i
    total = 0.0
    for block in range(blocks):
        planes = columns[block].reshape(channels, n * LANES)
        _recolour(planes, order, factor, 0, place, _ZERO)
        if place < 4:
            total += _luma(planes, luma)  # rows below the picture are black, and no operation before contrast lights them
    mean = np.float32(total / (n * n))
    for block in range(blocks):
        planes = columns[block].reshape(channels, n * LANES)
        _recolour(planes, order, factor, place, 4, mean)
        if grey and channels == 3:
            _saturate(planes[0], planes[1], planes[2], _ZERO)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _blur(columns, n, sigma, rows):  # type: ignore[no-untyped-def]
    """Gaussian blur, cut at 3 sigma, edges mirrored; leaves the rows in `rows` [C, n, n]."""
    blocks, channels = columns.shape[:2]
    radius = min(int(math.ceil(3 * sigma)), n - 1)
    kernel = np.empty(radius + 1, np.float32)
    total = 0.0
    for t in range(radius + 1):
        kernel[t] = math.exp(-0.5 * (t / sigma) ** 2)
        total += kernel[t] * (1 if t == 0 else 2)
    kernel /= np.float32(total)
    wide = np.empty(((n + 2 * radius), LANES), np.float32)
    flat = wide.reshape(wide.size)
    size = n * LANES
    blurred = np.empty(size, np.float32)
    for block in range(blocks):
        below = min(LANES, n - block * LANES)
        for c in range(channels):
            source = columns[block, c]
            wide[radius : radius + n] = source
            for t in range(radius):
                wide[radius - 1 - t] = source[t + 1]
                wide[radius + n + t] = source[n - 2 - t]
            centre = flat[radius * LANES : radius * LANES + size]
            for i in range(size):
                blurred[i] = kernel[0] * centre[i]
            for t in range(1, radius + 1):
                a = flat[(radius - t) * LANES : (radius - t) * LANES + size]
                b = flat[(radius + t) * LANES : (radius + t) * LANES + size]
                w = kernel[t]
                for i in range(size):
                    blurred[i] += w * (a[i] + b[i])
            for lane in range(below):
                row = rows[c, block * LANES + lane]
                for x in range(n):
                    row[x] = blurred[x * LANES + lane]
    for c in range(channels):
        done = columns[:, c]
        line = blurred[:n]
        for y in range(n):
            row = rows[c, y]
            for x in range(n):
                line[x] = kernel[0] * row[x]
            for t in range(1, radius + 1):
                a = rows[c, abs(y - t)]
                b = rows[c, n - 1 - abs(n - 1 - y - t)]
                w = kernel[t]
                for x in range(n):
                    line[x] += w * (a[x] + b[x])
            for x in range(n):
                done[y // LANES, x, y % LANES] = line[x]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _finish(columns, n, solarise, transposed, scale, shift, out):  # type: ignore[no-untyped-def]
    """Solarise, normalise and lay out as rows, or as columns when `transposed`: out [C, n, n]."""
    blocks, channels = columns.shape[:2]
    for c in range(channels):
        for y in range(n):
            column = columns[y // LANES, c]
            lane = y % LANES
            for x in range(n):
                v = column[x, lane]
                if solarise and v >= _HALF:
                    v = _ONE - v
                v = v * scale[c] + shift[c]
                if transposed:
                    out[c, x, y] = v
                else:
                    out[c, y, x] = v


@njit(cache=True, nogil=True, fastmath=_FAST)
def _view(pixels, base, stride, box, flip, turn, order, factor, grey, sigma, solarise, luma, scale, shift, out):  # type: ignore[no-untyped-def]
    channels, n = out.shape[:2]
    # A quarter turn anticlockwise is a mirror image along x, then a transposition; two are both mirrors
    mirror_x = (flip != 0) != (turn == 1 or turn == 2)
    mirror_y = turn == 2 or turn == 3
    most = 2 * int(math.ceil(max(box[HEIGHT] / box[GRID_Y], box[WIDTH] / box[GRID_X], 1.0))) + 2
    y_start, x_start = np.empty(n, np.int64), np.empty(n, np.int64)
    y_weight, x_weight = np.empty((n, most), np.float32), np.empty((n, most), np.float32)
    y_taps = _taps(box[HEIGHT], box[GRID_Y], box[FIRST_Y], mirror_y, y_start, y_weight)
    x_taps = _taps(box[WIDTH], box[GRID_X], box[FIRST_X], mirror_x, x_start, x_weight)
    y_weight *= np.float32(1 / 255)
    line = np.empty(box[WIDTH] * channels, np.float32)
    lanes = np.empty((line.size, LANES), np.float32)
    columns = np.empty(((n + LANES - 1) // LANES, channels, n, LANES), np.float32)
    crop = base + box[TOP] * stride + box[LEFT] * channels
    _resize(pixels, crop, stride, channels, y_start, y_weight, y_taps, x_start, x_weight, x_taps, line, lanes, columns)
    _colours(columns, n, order, factor, grey, luma)
    if sigma > 0:
        _blur(columns, n, sigma, np.empty((channels, n, n), np.float32))
    _finish(columns, n, solarise, turn == 1 or turn == 3, scale, shift, out)


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
