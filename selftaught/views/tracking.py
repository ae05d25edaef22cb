"""Follow a patch through a video without labels, by a correlation filter (Bolme et al. 2010), and where to begin.

Arrays in, arrays out: grey frames float32 [T, H, W] in [0, 255].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Grey = NDArray[np.float32]
Boxes = NDArray[np.int64]

RATE = 0.125
"""Weight of the newest frame in the filter."""
RIDGE = 1e-2
"""Added to the power of the patch, in units of its mean, so that empty frequencies do not decide."""
SIGMA = 1.5
"""Width in pixels of the answer that the filter is made to give."""
NEAR = 5
"""Pixels around a peak that are no part of what it is compared with."""
CHANGED = 12.0
"""Difference of two grey values from which a pixel has moved."""


def grey(frames: NDArray[np.uint8]) -> Grey:
    """Return frames [T, H, W, C] in grey, [T, H, W]."""
    return np.asarray(frames.mean(3, dtype=np.float32))


def camera(first: Grey, second: Grey) -> tuple[int, int]:
    """Return by how many rows and columns the whole picture has moved, by phase correlation; both at most a quarter."""
    height, width = first.shape
    spectrum = np.conj(fft.rfft2(_windowed(first))) * fft.rfft2(_windowed(second))
    answer = fft.irfft2(spectrum / (np.abs(spectrum) + 1e-9), s=first.shape)
    y, x = np.unravel_index(int(answer.argmax()), answer.shape)
    dy, dx = (int(a) - n if a > n // 2 else int(a) for a, n in ((y, height), (x, width)))
    return (dy, dx) if abs(dy) <= height // 4 and abs(dx) <= width // 4 else (0, 0)


def moved(first: Grey, second: Grey) -> NDArray[np.bool_]:
    """Return which pixels differ more than noise after the motion of the camera is taken away, bool [H, W]."""
    dy, dx = camera(first, second)
    still = np.abs(second - first) > CHANGED
    if (dy, dx) == (0, 0):
        return np.asarray(still, np.bool_)
    followed = np.abs(second - np.roll(first, (dy, dx), (0, 1))) > CHANGED
    top, left = max(dy, 0), max(dx, 0)  # what came into the picture is new, not moving
    inside = np.zeros_like(followed)
    inside[top : followed.shape[0] + min(dy, 0), left : followed.shape[1] + min(dx, 0)] = True
    followed &= inside
    return np.asarray(followed if followed.sum() < still.sum() else still, np.bool_)


def moving(first: Grey, second: Grey, side: int, count: int, least: float, most: float) -> Boxes:
    """Return first row and column of up to `count` squares with most motion, int64 [K, 2], none over another.

    Args:
        first: A frame.
        second: The next one.
        side: Side of a square.
        count: Number of squares.
        least: Smallest share of moving pixels in a square.
        most: Largest share of moving pixels in the picture: where more move, the camera does, or the scene is cut.
    """
    mask = moved(first, second)
    if mask.mean() > most or min(mask.shape) < side:
        return np.zeros((0, 2), np.int64)
    shares = ndimage.uniform_filter(mask.astype(np.float32), side, mode="constant")
    half, (height, width) = side // 2, mask.shape
    inner = shares[half : half + height - side + 1, half : half + width - side + 1].copy()  # by first row and column
    found = []
    for _ in range(count):
        y, x = np.unravel_index(int(inner.argmax()), inner.shape)
        if inner[y, x] < least:
            break
        found.append((int(y), int(x)))
        inner[max(y - side + 1, 0) : y + side, max(x - side + 1, 0) : x + side] = -1
    return np.array(found, np.int64).reshape(-1, 2)


def follow(frames: Grey, boxes: Boxes, side: int) -> tuple[Boxes, NDArray[np.float64]]:
    """Return where the squares `boxes` [K, 2] of the first frame are in every frame, and how sure that is.

    First row and column, int64 [T, K, 2]; and for each frame the peak of the filter's answer in deviations of the rest,
    float64 [T, K] (infinite in the first). Squares stay inside the picture. The filter sees half a square more on every
    side.
    """
    count, window = len(boxes), 2 * (side // 2) + side
    limit = np.array(frames.shape[1:]) - side
    wanted = fft.rfft2(_answer(window))
    at = boxes.copy()
    found, sure = np.empty((len(frames), count, 2), np.int64), np.full((len(frames), count), np.inf)
    found[0] = at
    spectrum = _spectra(frames[0], at, side, window)
    top, bottom = wanted * np.conj(spectrum), _power(spectrum)
    for t in range(1, len(frames)):
        spectrum = _spectra(frames[t], at, side, window)
        answer = fft.irfft2(top / bottom * spectrum, s=(window, window), axes=(1, 2))  # [K, window, window]
        shift, sure[t] = _peaks(answer)
        at = np.clip(at + shift, 0, limit)
        found[t] = at
        spectrum = _spectra(frames[t], at, side, window)
        top = (1 - RATE) * top + RATE * wanted * np.conj(spectrum)
        bottom = (1 - RATE) * bottom + RATE * _power(spectrum)
    return found, sure


def _spectra(frame: Grey, at: Boxes, side: int, window: int) -> NDArray[np.complex64]:
    """Return the spectra of the squares with their surroundings, [K, window, window / 2 + 1]."""
    margin = side // 2
    wide = np.pad(frame, margin, mode="edge")
    cut = np.stack([wide[y : y + window, x : x + window] for y, x in at.tolist()])
    return np.asarray(fft.rfft2(_windowed(cut), axes=(1, 2)))


def _windowed(patches: Grey) -> Grey:
    """Return patches [..., H, W] in log brightness, with mean 0 and deviation 1, faded out towards the edges."""
    x = np.log1p(patches)
    x = x - x.mean((-2, -1), keepdims=True)
    x = x / (x.std((-2, -1), keepdims=True) + 1e-3)
    fade = np.hanning(x.shape[-2] + 2)[1:-1, None] * np.hanning(x.shape[-1] + 2)[None, 1:-1]
    return np.asarray(x * fade, np.float32)


def _answer(window: int) -> Grey:
    """Return the answer that a filter should give to its own patch: a bump at the origin, around the edges."""
    d = np.minimum(np.arange(window), window - np.arange(window))
    return np.asarray(np.exp(-(d[:, None] ** 2 + d[None, :] ** 2) / (2 * SIGMA**2)), np.float32)


def _power(spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
    power = np.abs(spectrum) ** 2
    return np.asarray(power + RIDGE * power.mean((1, 2), keepdims=True), np.float32)


def _peaks(answer: NDArray[np.float32]) -> tuple[Boxes, NDArray[np.float64]]:
    """Return how far each patch moved, int64 [K, 2], and its peak in deviations of the rest, float64 [K]."""
    count, window, _ = answer.shape
    flat = answer.reshape(count, -1)
    y, x = np.unravel_index(flat.argmax(1), (window, window))
    peak = flat.max(1)
    grid = np.arange(window)
    far_y = np.abs((grid - y[:, None] + window // 2) % window - window // 2) > NEAR  # [K, window]
    far_x = np.abs((grid - x[:, None] + window // 2) % window - window // 2) > NEAR
    rest = (far_y[:, :, None] | far_x[:, None, :]).reshape(count, -1)
    n = np.maximum(rest.sum(1), 1)
    mean = (flat * rest).sum(1) / n
    spread = np.sqrt((((flat - mean[:, None]) ** 2) * rest).sum(1) / n) + 1e-9
    shift = np.stack([y, x], 1)
    shift = np.where(shift > window // 2, shift - window, shift)
    return shift.astype(np.int64), np.asarray((peak - mean) / spread, np.float64)
