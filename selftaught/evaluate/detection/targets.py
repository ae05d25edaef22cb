"""What the detector should say at each point of its grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from selftaught.evaluate.detection.geometry import area, centreness, points

FINEST = 8
"""A level takes boxes whose longest distance is at most so many of its strides, and more than the level before it."""
RADIUS = 1.5
"""A point is inside a box only within so many strides of its centre."""
NOTHING, LEFT_OUT = -1, -2
"""Classes of points where nothing is, and of points that do not count."""


class Grid(NamedTuple):
    """The points of all levels, P together.

    Attributes:
        points: float [P, 2], (x, y) in pixels.
        stride: float [P], of the level of each point.
        low: float [P]: the level takes boxes whose longest distance is above this.
        high: float [P]: ... and at most this.
    """

    points: Tensor
    stride: Tensor
    low: Tensor
    high: Tensor


class Targets(NamedTuple):
    """int64 [B, P] classes, -1 = nothing there, -2 = left out; float [B, P, 4] distances; float [B, P] centre-ness."""

    classes: Tensor
    distances: Tensor
    centreness: Tensor


def grid(shapes: Sequence[tuple[int, int]], strides: Sequence[int]) -> Grid:
    """Return the points of levels with these heights and widths, the finest first."""
    found, last = [], len(strides) - 1
    for level, ((height, width), stride) in enumerate(zip(shapes, strides, strict=True)):
        at = points(height, width, stride)
        low = 0.0 if level == 0 else float(FINEST * strides[level - 1])
        high = float("inf") if level == last else float(FINEST * stride)
        found.append((at, *(torch.full((len(at),), float(value)) for value in (stride, low, high))))
    return Grid(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def targets(grid: Grid, boxes: Tensor, classes: Tensor, ignored: Tensor) -> Targets:
    """Return what each point should say.

    A point belongs to a box if it is inside the box, near its centre, and on the level of its size; of several such
    boxes, to the smallest. A point inside an ignored box that belongs to no other is left out.

    Args:
        grid: The points.
        boxes: float [B, M, 4], in pixels.
        classes: int64 [B, M]; -1 where there is no box.
        ignored: bool [B, M].
    """
    sides = torch.cat(
        [grid.points[:, None] - boxes[:, None, :, :2], boxes[:, None, :, 2:] - grid.points[:, None]], -1
    )  # [B, P, M, 4]
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    reach = RADIUS * grid.stride[:, None]
    inside = sides.amin(-1) > 0
    near = (grid.points[:, None] - centre[:, None]).abs().amax(-1) < reach
    longest = sides.amax(-1)
    sized = (longest > grid.low[:, None]) & (longest <= grid.high[:, None])
    there = (classes >= 0)[:, None]
    fits = inside & near & sized & there & ~ignored[:, None]  # [B, P, M]
    areas = torch.where(fits, area(boxes)[:, None].expand_as(fits), torch.inf)
    least, which = areas.min(-1)  # [B, P]
    found = torch.isfinite(least)
    left_out = (inside & there & ignored[:, None]).any(-1)
    said = torch.where(left_out, LEFT_OUT, NOTHING)
    said = torch.where(found, classes.gather(1, which), said)
    distances = sides.gather(2, which[..., None, None].expand(-1, -1, 1, 4))[:, :, 0]
    distances = torch.where(found[..., None], distances, 1.0)
    return Targets(said, distances, torch.where(found, centreness(distances), 0.0))
