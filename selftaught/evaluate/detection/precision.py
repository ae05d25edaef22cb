"""Average precision of boxes by pycocotools, the reference implementation."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

METRICS = ("AP", "AP50", "AP75")


def needed() -> None:
    """Raises UserError if pycocotools is not installed."""
    try:
        import pycocotools  # noqa: F401
    except ImportError:
        raise UserError("detection needs pycocotools: pip install 'selftaught[detection]'") from None


def average_precision(
    truth: Sequence[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]],
    found: Sequence[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]],
    sizes: NDArray[np.int64],
    classes: int,
) -> dict[str, float]:
    """Return AP, AP50 and AP75 in percent.

    AP is the mean over the classes that occur and over the overlaps 0.50, 0.55, ..., 0.95.

    Args:
        truth: For each picture boxes [M, 4], classes int64 [M], and which of them are ignored, bool [M].
        found: For each picture boxes [N, 4], classes int64 [N] and scores [N].
        sizes: Height and width of the pictures, int64 [P, 2].
        classes: Number of classes.

    Raises UserError if there is no box that counts, or pycocotools is missing.
    """
    needed()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if not any((~ignored).any() for _, _, ignored in truth):
        raise UserError("the test pictures have no boxes, so what was found cannot be judged: name other data")
    given = COCO()
    entries = [
        {
            "id": 0, "image_id": picture, "category_id": int(label), "bbox": _sized(box),
            "area": float((box[2] - box[0]) * (box[3] - box[1])), "iscrowd": int(ignored),
        }
        for picture, one in enumerate(truth)
        for box, label, ignored in zip(*one, strict=True)
    ]  # fmt: skip
    given.dataset = {
        "info": {},
        "images": [{"id": i, "height": int(h), "width": int(w)} for i, (h, w) in enumerate(sizes)],
        "annotations": [entry | {"id": i + 1} for i, entry in enumerate(entries)],
        "categories": [{"id": i} for i in range(classes)],
    }
    said = [
        {"image_id": picture, "category_id": int(label), "bbox": _sized(box), "score": float(score)}
        for picture, one in enumerate(found)
        for box, label, score in zip(*one, strict=True)
    ]
    if not said:  # which pycocotools cannot read
        return dict.fromkeys(METRICS, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a table
        given.createIndex()
        judge = COCOeval(given, given.loadRes(said), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return {name: 100 * float(value) for name, value in zip(METRICS, judge.stats[:3], strict=True)}


def _sized(box: NDArray[Any]) -> list[float]:
    left, top, right, bottom = map(float, box)
    return [left, top, right - left, bottom - top]
