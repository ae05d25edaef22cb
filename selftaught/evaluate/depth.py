"""Disparities of whole pictures, and how far they are from what is known."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.evaluate.embed import frozen
from selftaught.method import Index, Method, Raw, SeesDepth, Source
from selftaught.views.stereo import StereoViews

Map = NDArray[np.float32]
"""Disparities of one picture, float32 [H, W], in its pixels; NaN = unknown."""
BATCH = 16
WRONG, WRONG_PART = 3.0, 0.05
"""A disparity is wrong (KITTI's D1) if it is off by more than so many pixels, and than this part of the true one."""
BAD = 2.0
"""Pixels of error of Middlebury's bad pixels."""
MEDIANS = 512
"""Number of training pairs from which the median disparity is taken."""


def disparities(method: Method, source: Source, index: Index | None = None) -> Iterator[Map]:
    """Yield the disparity of the left picture of each pair, or of the pairs `index`.

    The method sees squares as high as the picture is on its shorter side, reduced to the size of its encoder; of a
    longer picture several that overlap by at least half, whose disparities are averaged, less near their borders.

    Raises UserError if the method finds no disparities, or if one is not finite.
    """
    if not isinstance(method, SeesDepth):
        raise UserError(f"{type(method).__name__} finds no disparities: use a run of monodepth")
    views = StereoViews(method.encoder.spec["input"])
    for i in range(len(source)) if index is None else index.tolist():
        pair = source.fetch(np.array([i]))["stereo"][0]
        yield _whole(method, views, pair)


def _whole(method: Any, views: StereoViews, pair: NDArray[np.uint8]) -> Map:
    height, width = pair.shape[1:3]
    side = min(height, width)
    places = [(y, x) for y in _starts(height, side) for x in _starts(width, side)]
    squares = [pair[:, y : y + side, x : x + side] for y, x in places]
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    total, weight = np.zeros((height, width)), np.zeros((height, width))
    ramp = np.minimum(np.arange(side) + 1, side - np.arange(side)).astype(np.float64)
    for begin in range(0, len(squares), BATCH):
        part = squares[begin : begin + BATCH]
        index = np.arange(len(part))
        batch = views.apply({"stereo": part, "index": index}, views.sample(index, 0, 0), device)
        with frozen(method):
            found = method.disparity(batch["left"], batch["right"]).float()
            found = side * F.interpolate(found[:, None], size=(side, side), mode="bilinear", align_corners=False)[:, 0]
        if not bool(torch.isfinite(found).all()):
            raise UserError("the disparities are not finite: the method diverged in training")
        for (y, x), one in zip(places[begin:], found.cpu().numpy(), strict=False):
            near = (ramp if height > side else np.ones(side))[:, None] * (ramp if width > side else np.ones(side))
            total[y : y + side, x : x + side] += near * one
            weight[y : y + side, x : x + side] += near
    return (total / weight).astype(np.float32)


def _starts(length: int, side: int) -> list[int]:
    """Return the first pixels of windows over a length, which overlap by at least half."""
    count = -(-2 * (length - side) // side) + 1
    return [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]


def median(source: Source) -> float:
    """Return the median of the known disparities, in pixels, each pair with the same number of pixels at most.

    Raises UserError if none is known.
    """
    found = []
    for i in np.unique(np.linspace(0, len(source) - 1, min(len(source), MEDIANS)).astype(np.int64)):
        known = source.fetch(np.array([i])).get("disparity")
        if known is not None:
            values = known[0][np.isfinite(known[0])]
            found.append(values[:: max(len(values) // 4096, 1)])
    if not sum(map(len, found)):
        raise UserError("the disparity of no training pair is known: name data with disparities")
    return float(np.median(np.concatenate(found)))


def errors(guesses: Iterator[Map], source: Source) -> dict[str, float]:
    """Return how far disparities are from those that are known, over all known pixels of all pairs.

    "abs" and "rmse", the mean absolute and the root of the mean squared error in pixels; "d1" and "bad", the percentage
    of pixels that are off by more than 3 pixels and 5%, and by more than 2 pixels; "abs_rel", the mean error of the
    depth as a part of the true depth, over the pairs whose principal points are known (see `data.stereo.source.Pair`).

    Raises UserError if no disparity is known.
    """
    sums: dict[str, float] = dict.fromkeys(("abs", "rmse", "d1", "bad", "abs_rel"), 0.0)
    pixels = with_depth = 0
    for i, guess in enumerate(guesses):
        raw = source.fetch(np.array([i]))
        one = compared(guess, raw)
        if one is None:
            continue
        count, there = one
        pixels += count
        with_depth += count * ("abs_rel" in there)
        for name, value in there.items():
            sums[name] += value * count
    if not pixels:
        raise UserError("the disparity of no test pair is known: name data with disparities")
    found = {name: sums[name] / pixels for name in ("abs", "rmse", "d1", "bad")}
    found["rmse"] **= 0.5
    return found | ({"abs_rel": sums["abs_rel"] / with_depth} if with_depth else {})


def compared(guess: Map, raw: Raw) -> tuple[int, dict[str, float]] | None:
    """Return the number of known pixels of a pair and the means over them; "rmse" is squared. None without any."""
    if "disparity" not in raw:
        return None
    truth = raw["disparity"][0]
    known = np.isfinite(truth)
    if not known.any():
        return None
    t, g = truth[known].astype(np.float64), guess[known].astype(np.float64)
    off = np.abs(g - t)
    wrong = (off > WRONG) & (off > WRONG_PART * t)
    found = {"abs": off.mean(), "rmse": (off**2).mean(), "d1": 100 * wrong.mean(), "bad": 100 * (off > BAD).mean()}
    offset = float(raw["offset"][0])
    if np.isfinite(offset) and (t + offset > 0).all():
        least = 1e-3  # of a pixel: what is infinitely far has no depth
        found["abs_rel"] = np.abs((t + offset) / np.maximum(g + offset, least) - 1).mean()
    return int(known.sum()), {name: float(value) for name, value in found.items()}


def constant(value: float, source: Source) -> Iterator[Map]:
    """Yield the same disparity for every pixel of each pair."""
    for i in range(len(source)):
        yield np.full(source.fetch(np.array([i]))["stereo"][0].shape[1:3], value, np.float32)


def matched(source: Source, largest: float) -> Iterator[Map] | None:
    """Yield what OpenCV's semi-global matching finds in both pictures of each pair; None without OpenCV.

    Hirschmüller 2008. It searches up to the `largest` disparity, in pixels. A pixel that it leaves open takes the
    smaller of the nearest disparities in its row, which is the background's, as KITTI's evaluation fills in.
    """
    if find_spec("cv2") is None:
        return None
    return _matched(source, largest)


def _matched(source: Source, largest: float) -> Iterator[Map]:
    import cv2

    window, number = 5, 16 * max(-(-int(largest + 1) // 16), 1)
    for i in range(len(source)):
        pair = source.fetch(np.array([i]))["stereo"][0]
        # OpenCV ends with an error where a picture is not wider than the disparities that are sought
        narrow = max(number + 2 * window - pair.shape[2], 0)
        left, right = np.pad(pair, ((0, 0), (0, 0), (narrow, 0), (0, 0)), "edge")
        channels = left.shape[2]
        matcher = cv2.StereoSGBM_create(
            minDisparity=0, numDisparities=number, blockSize=window,
            P1=8 * channels * window**2, P2=32 * channels * window**2, disp12MaxDiff=1, uniquenessRatio=10,
            speckleWindowSize=100, speckleRange=2, mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
        )  # fmt: skip
        found = matcher.compute(*(np.ascontiguousarray(one) for one in (left, right))).astype(np.float32) / 16
        found = found[:, narrow:]
        yield filled(np.where(found >= 0, found, np.float32(np.nan)))


def filled(values: Map) -> Map:
    """Return disparities whose unknown pixels have the smaller of the nearest ones to the left and the right.

    A row without any is 0.
    """
    ends = []
    for rows in (values, values[:, ::-1]):
        known = np.isfinite(rows)
        last = np.maximum.accumulate(np.where(known, np.arange(rows.shape[1]), -1), axis=1)
        taken = np.take_along_axis(rows, last.clip(0), 1)
        ends.append(np.where(last >= 0, taken, np.inf))
    both = np.minimum(ends[0], ends[1][:, ::-1])
    return np.where(np.isfinite(values), values, np.where(np.isfinite(both), both, 0)).astype(np.float32)
