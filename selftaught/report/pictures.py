"""What the method saw, and what it can show, as rows of small pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from selftaught.evaluate.embed import frozen
from selftaught.method import Method, Shows, Source
from selftaught.report.thumbnails import single
from selftaught.views.image import denormalise

COUNT = 8
"""Samples in a row."""
MOST_VIEWS = 6
"""Views of one name that are shown."""
Row = dict[str, Any]


def views(method: Method, source: Source) -> list[Row] | None:
    """Rows of pictures: the samples, then each view that the method gets of them in epoch 0; None when they are not images."""
    drawn = draw(method, source)
    if drawn is None:
        return None
    originals, batch = drawn
    rows = [{"name": "original", "images": [single(image) for image in originals]}]
    for name, value in batch.items():
        several = list(value) if isinstance(value, (list, tuple)) else [value]
        for i, tensor in enumerate(several[:MOST_VIEWS]):
            if isinstance(tensor, torch.Tensor) and tensor.ndim == 4 and len(tensor) == len(originals):
                rows.append(row(f"{name.removesuffix('s')} {i + 1}" if len(several) > 1 else name, tensor, method))
    return rows if len(rows) > 1 else None


def shows(method: Method, source: Source) -> list[Row] | None:
    """Rows of what a method that obeys `Shows` makes of some samples; None for any other method."""
    if not isinstance(method, Shows):
        return None
    drawn = draw(method, source)
    if drawn is None:
        return None
    with frozen(method):
        pictures = method.show(**drawn[1])
    return [row(name, tensor, method) for name, tensor in pictures.items() if tensor.ndim == 4] or None


def draw(method: Method, source: Source) -> tuple[list[Any], dict[str, Any]] | None:
    """Some raw images [H, W, C], evenly spaced over the source, and the batch that the method gets of them."""
    bound = method.views.bind(source)
    index = np.unique(np.linspace(0, len(bound) - 1, COUNT).astype(np.int64))
    raw = bound.fetch(index)
    if "image" not in raw:
        return None
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    return list(raw["image"]), method.views.apply(raw, method.views.sample(index, 0, 0), device)


def row(name: str, tensor: torch.Tensor, method: Method) -> Row:
    """One row, from normalised float [B, C, H, W]."""
    images = denormalise(tensor[:COUNT], method.encoder.spec["input"])
    return {"name": name.replace("_", " "), "images": [single(image) for image in images]}
