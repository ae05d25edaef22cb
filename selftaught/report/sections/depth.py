"""Held-out pictures, the disparity that the method finds in them, the known one, and the error."""

from __future__ import annotations

from typing import Any

import numpy as np

from selftaught.evaluate.depth import compared, disparities
from selftaught.method import SeesDepth
from selftaught.parts.depth_colours import MISTAKE, NEARNESS, UNKNOWN, coloured
from selftaught.report.page import Page
from selftaught.report.thumbnails import single
from selftaught.report.values import mapping, number
from selftaught.source import evenly

ORDER = 14
TITLE = "How far away is it?"
NAV = "Depth"
MISSING = ""
COUNT = 5
"""Number of pairs."""
LOOKED = 360
"""Longest side of a picture in pixels."""
SIDES = (
    ("trained", "trained"), ("untrained", "untrained"), ("constant", "constant"), ("matching", "both eyes (OpenCV)"),
)  # fmt: skip
ROWS = (
    ("abs", "Mean error, pixels", 1), ("rmse", "Root mean squared error, pixels", 1),
    ("d1", "Off by more than 3 pixels and 5%", 1), ("bad", "Off by more than 2 pixels, %", 1),
    ("abs_rel", "Mean error of the depth, part of it", 3),
)  # fmt: skip


def suits(page: Page) -> bool:
    """For methods that find disparities, if there are pairs."""
    return page.shown is not None and isinstance(page.method, SeesDepth)


def data(page: Page) -> dict[str, Any] | None:
    """Return ``{"rows": [row], "nearest", "most", "unseen", "table": ..., "colours": ...}``.

    A row is ``{"name", "left", "found", "truth", "error", "abs", "width", "height"}``: data URIs, and the mean error in
    pixels; "truth", "error" and "abs" are None where nothing is known. "nearest" and "most" are the numbers, in pixels,
    that have the last colour of disparities and of errors.
    """
    source = page.shown
    if source is None or page.method is None:  # `suits` says so before
        return None
    index = evenly(len(source), COUNT)
    looked = []
    for i, found in zip(index, disparities(page.method, source, index), strict=True):
        raw = source.fetch(np.array([i]))
        looked.append((source.names(np.array([i]))[0], raw, found))
    truths = [raw["disparity"][0] for _, raw, _ in looked if "disparity" in raw]
    values = [one[np.isfinite(one)] for one in (*truths, *(found for *_, found in looked))]
    nearest = float(np.quantile(np.concatenate(values), 0.995))
    most = round(nearest / 3, 1)
    rows = []
    for name, raw, found in looked:
        left, one = raw["stereo"][0][0], compared(found, raw)
        row = {"name": name, "left": single(left, LOOKED), "height": left.shape[0], "width": left.shape[1]}
        row |= {"found": single(coloured(found, 0, nearest), LOOKED), "truth": None, "error": None, "abs": None}
        if one is not None:
            truth = raw["disparity"][0]
            row["truth"] = single(coloured(truth, 0, nearest), LOOKED)
            row["error"] = single(coloured(np.abs(found - truth), 0, most, MISTAKE), LOOKED)
            row["abs"] = round(one[1]["abs"], 2)
        rows.append(row)
    colours = {"near": NEARNESS, "error": MISTAKE, "unknown": UNKNOWN}
    return {
        "rows": rows, "nearest": round(nearest, 1), "most": most, "unseen": page.held_out, "colours": colours,
        "table": table(page.summary.get("depth")),
    }  # fmt: skip


def table(judged: Any) -> dict[str, Any] | None:
    """Return ``{"columns": [name], "rows": [[name, number, ...]]}`` of the result of the task; None without one."""
    if not isinstance(judged, dict):
        return None
    sides = [(key, called) for key, called in SIDES if mapping(judged, key)]
    rows = []
    for name, called, digits in ROWS:
        numbers = [number(mapping(judged, key).get(name)) for key, _ in sides]
        if any(value is not None for value in numbers):
            rows.append([called, *(None if value is None else f"{value:.{digits}f}" for value in numbers)])
    return {"columns": [called for _, called in sides], "rows": rows} if rows else None
