"""Samples and method outputs for display (`parts/shown`), packed small enough for a page."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught import views
from selftaught.method import Batch, Method, Raw, Source
from selftaught.parts.shown import Curves, Pictures, Shown, Sounds, Table
from selftaught.report.thumbnails import data_uri, single
from selftaught.source import evenly

COUNT = 8
"""Number of samples in a row."""
MOST_VIEWS = 6
"""Number of views shown per name."""
POINTS = 400
"""Largest number of points of a line. Longer lines keep the lowest and the highest point of each segment."""
LINES = 16
"""Largest number of lines of a chart, the first ones."""
ROW_BYTES = 750_000
"""Largest number of bytes of a row of sounds; longer sounds are cut."""
ROWS = 50
"""Largest number of rows of a table, the first ones."""
Row = dict[str, Any]


def few(method: Method, source: Source) -> tuple[NDArray[np.int64], Raw, Batch]:
    """Return some evenly spaced samples of the source: positions, raw samples, and the method's views in epoch 0."""
    bound = method.views.bind(source)
    index = evenly(len(bound), COUNT)
    raw = bound.fetch(index)
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    return index, raw, method.views.apply(raw, method.views.sample(index, 0, 0), device)


def shown(batch: Mapping[str, Any], seen: Mapping[str, Any], count: int) -> list[Shown]:
    """Return what can be shown of a batch of `count` samples, raw or of views, for an encoder with input `seen`.

    A list of tensors holds several views under one name. Entries of another length, such as patches, are skipped.
    """
    rows = []
    for name, value in batch.items():
        several = isinstance(value, list | tuple) and all(isinstance(view, torch.Tensor) for view in value)
        listed = value[:MOST_VIEWS] if several else [value]
        for i, view in enumerate(listed):
            called = f"{name.removesuffix('s')} {i + 1}" if len(listed) > 1 else name
            if name not in ("label", "index") and _size(view) == count:
                rows.append(views.show(called, view, seen))
    return [row for row in rows if row is not None]


def _size(value: Any) -> int:
    try:
        return len(value)
    except TypeError:  # a number, or a tensor with one number
        return 0


def packed(row: Shown, name: str | None = None) -> Row:
    """Return a row of a page: "type", "name", and "images", "notes", "charts", "sounds", or "columns", "rows", "of"."""
    called = (row.name if name is None else name).replace("_", " ")
    match row:
        case Pictures(images=images, notes=notes):
            drawn = [single(image) for image in images[:COUNT]]
            return {"type": "pictures", "name": called, "images": drawn} | (
                {"notes": list(notes[:COUNT])} if notes else {}
            )
        case Curves(curves=curves):
            return {"type": "curves", "name": called, "charts": [chart(lines) for lines in curves[:COUNT]]}
        case Sounds(waves=waves, rate=rate):
            most = ROW_BYTES // (2 * max(len(waves[:COUNT]), 1))
            return {"type": "sounds", "name": called, "sounds": [sound(points, rate, most) for points in waves[:COUNT]]}
        case Table(columns=columns, rows=rows):
            told = [[cell if isinstance(cell, str | None) else float(cell) for cell in cells] for cells in rows[:ROWS]]
            return {"type": "table", "name": called, "columns": list(columns), "rows": told, "of": len(rows)}


def chart(lines: NDArray[np.floating[Any]]) -> Row:
    """Return ``{"lines": [[y]], "low", "high", "length", "of"}`` of float [C, T]; y is None if not finite."""
    kept = np.asarray(lines, np.float64)[:LINES]
    finite = kept[np.isfinite(kept)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    told = [[float(f"{y:.4g}") if np.isfinite(y) else None for y in thinned(line)] for line in kept]
    return {"lines": told, "low": low, "high": high, "length": kept.shape[1], "of": len(lines)}


def thinned(line: NDArray[np.float64], most: int = POINTS) -> NDArray[np.float64]:
    """Return at most `most` points of a line [T]: the lowest and the highest of each segment, in order."""
    if len(line) <= most:
        return line
    pieces = np.array_split(line, most // 2)
    both = ([int(np.argmin(p)), int(np.argmax(p))] for p in (np.nan_to_num(p) for p in pieces))
    return np.concatenate([piece[sorted(pair)] for piece, pair in zip(pieces, both, strict=True)])


def sound(points: NDArray[np.floating[Any]], rate: int, most: int) -> Row:
    """Return ``{"uri", "seconds", "of"}``: the first `most` points of a wave [T] as a WAV file, and both durations."""
    kept = np.nan_to_num(np.asarray(points, np.float64)[:most]).clip(-1, 1)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(kept * 32767).astype("<i2").tobytes())
    return {"uri": data_uri(out.getvalue(), "audio/wav"), "seconds": len(kept) / rate, "of": len(points) / rate}
