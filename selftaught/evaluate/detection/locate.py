"""Find objects in the pictures of any source."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from selftaught.evaluate.detection.detector import Detector, Found
from selftaught.evaluate.detection.views import BoxedViews
from selftaught.evaluate.embed import frozen
from selftaught.method import Index, Source

TOGETHER = 16


def locate(method: Detector, source: Source, index: Index | None = None) -> Iterator[Found]:
    """Yield the boxes found in each picture, in pixels of the picture as the source gives it, and inside it.

    Args:
        method: A trained detector.
        source: The pictures; larger ones than the detector's canvas are reduced to fit.
        index: Which of them, int64 [B]; by default all.
    """
    views = BoxedViews(method.encoder.spec["input"], method.canvas)
    device = next(p.device for p in method.parameters())
    index = np.arange(len(source)) if index is None else index
    for begin in range(0, len(index), TOGETHER):
        part = index[begin : begin + TOGETHER]
        raw = source.fetch(part)
        with frozen(method):
            batch = views.apply({"image": raw["image"]}, views.sample(part, 0, 0), device)
            found = method.find(batch["image"])
        for image, one in zip(raw["image"], found, strict=True):
            size = torch.tensor([*image.shape[1::-1]] * 2)  # width, height, width, height
            boxes = one.boxes.cpu() / torch.from_numpy(np.tile(views.scales(image), 2))
            yield Found(torch.minimum(boxes, size), one.scores.cpu(), one.classes.cpu())
