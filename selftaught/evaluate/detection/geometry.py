"""Boxes as tensors: overlap, the IoU loss, centre-ness, the points of a grid, and non-maximum suppression.

A box is [left, top, right, bottom] in pixels; distances are [left, top, right, bottom] from a point to the sides.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 1e-7


def area(boxes: Tensor) -> Tensor:
    """Return the areas of boxes [..., 4]; 0 for boxes that are reversed."""
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0) * (boxes[..., 3] - boxes[..., 1]).clamp(min=0)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union of each of [N, 4] with each of [M, 4]: [N, M], 0 where both are empty."""
    shared = torch.cat([torch.maximum(a[:, None, :2], b[:, :2]), torch.minimum(a[:, None, 2:], b[:, 2:])], 2)
    both = area(shared)  # [N, M]
    return both / (area(a)[:, None] + area(b) - both).clamp(min=LEAST)


def iou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return -log IoU of boxes around the same points, given by their distances [P, 4] each: [P].

    Yu et al. 2016 (arXiv 1608.01471), "UnitBox", with 1 added to both areas as in FCOS's code, so that a box without
    area has a gradient.
    """
    sides = torch.minimum(predicted, target)
    both = (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])
    areas = [(d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3]) for d in (predicted, target)]
    return -torch.log((both + 1) / (areas[0] + areas[1] - both + 1))


def centreness(distances: Tensor) -> Tensor:
    """Return sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)) of distances [..., 4] above 0: 1 at the centre."""
    across, down = distances[..., 0::2], distances[..., 1::2]
    return torch.sqrt(
        across.amin(-1) / across.amax(-1).clamp(min=LEAST) * down.amin(-1) / down.amax(-1).clamp(min=LEAST)
    )


def points(height: int, width: int, stride: int) -> Tensor:
    """Return the centres (x, y) of a grid's cells in pixels, row by row: float [height * width, 2]."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (torch.stack([x, y], 2).reshape(-1, 2) + 0.5) * stride


def boxes_of(points: Tensor, distances: Tensor) -> Tensor:
    """Return the boxes [..., P, 4] with these distances from points [P, 2]."""
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1)


def nms(boxes: Tensor, scores: Tensor, classes: Tensor, threshold: float) -> Tensor:
    """Return the positions of the boxes that are kept, the highest scores first, of equal scores the first ones.

    A box is dropped if one with a higher score that is kept, of the same class, overlaps it by more than `threshold`.
    Boxes are [N, 4], scores and classes [N].
    """
    order = torch.sort(scores, descending=True, stable=True).indices
    drops = (iou(boxes[order], boxes[order]) > threshold) & (classes[order][:, None] == classes[order])
    rows = drops.cpu().numpy()
    alive = torch.ones(len(order), dtype=torch.bool).numpy()
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~rows[i, i + 1 :]
    kept: Tensor = order[torch.from_numpy(alive).to(order.device)]
    return kept
