"""What each point should say, held to a loop over points and boxes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from selftaught.evaluate.detection.targets import FINEST, LEFT_OUT, NOTHING, RADIUS, grid, targets

SHAPES, STRIDES = [(8, 10), (4, 5), (2, 3)], [8, 16, 32]


def made(pictures: int, most: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(-5, 70, (pictures, most, 2)), rng.uniform(2, 70, (pictures, most, 2))
    boxes = torch.from_numpy(np.concatenate([corner, corner + size], 2)).float()
    classes = torch.from_numpy(rng.integers(-1, 3, (pictures, most)))
    return boxes, classes, torch.from_numpy(rng.random((pictures, most)) < 0.2)


def naive(boxes: torch.Tensor, classes: torch.Tensor, ignored: torch.Tensor) -> list[tuple[int, list[float], float]]:
    """What the points of one picture should say, point by point: class, distances, centre-ness."""
    said = []
    for level, ((height, width), stride) in enumerate(zip(SHAPES, STRIDES, strict=True)):
        low = 0 if level == 0 else FINEST * STRIDES[level - 1]
        high = math.inf if level == len(STRIDES) - 1 else FINEST * stride
        for row in range(height):
            for column in range(width):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                best, least, left_out = None, math.inf, False
                for box, label, skip in zip(boxes.tolist(), classes.tolist(), ignored.tolist(), strict=True):
                    d = [x - box[0], y - box[1], box[2] - x, box[3] - y]
                    if label < 0 or min(d) <= 0:
                        continue
                    left_out |= skip
                    far = max(abs(x - (box[0] + box[2]) / 2), abs(y - (box[1] + box[3]) / 2))
                    size = (box[2] - box[0]) * (box[3] - box[1])
                    if not skip and far < RADIUS * stride and low < max(d) <= high and size < least:
                        best, least = (label, d), size
                if best is None:
                    said.append((LEFT_OUT if left_out else NOTHING, [1.0] * 4, 0.0))
                else:
                    d = best[1]
                    c = math.sqrt(min(d[0], d[2]) / max(d[0], d[2]) * min(d[1], d[3]) / max(d[1], d[3]))
                    said.append((best[0], d, c))
    return said


def test_targets_are_those_of_a_naive_loop() -> None:
    boxes, classes, ignored = made(6, 9, 0)
    found = targets(grid(SHAPES, STRIDES), boxes, classes, ignored)
    seen = set()
    for picture in range(6):
        wanted = naive(boxes[picture], classes[picture], ignored[picture])
        assert found.classes[picture].tolist() == [label for label, _, _ in wanted]
        assert torch.allclose(found.distances[picture], torch.tensor([d for _, d, _ in wanted]), atol=1e-4)
        assert torch.allclose(found.centreness[picture], torch.tensor([c for _, _, c in wanted]), atol=1e-5)
        seen |= set(found.classes[picture].tolist())
    assert seen == {LEFT_OUT, NOTHING, 0, 1, 2}


def test_of_several_boxes_the_smallest_wins() -> None:
    boxes = torch.tensor([[[0.0, 0, 64, 64], [20, 20, 44, 44]]])
    said = targets(grid([(8, 8)], [8]), boxes, torch.tensor([[1, 0]]), torch.zeros(1, 2, dtype=torch.bool)).classes
    assert said.view(8, 8)[3:5, 3:5].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(("side", "level"), [(10, 0), (100, 0), (140, 1), (160, 1), (280, 2)])
def test_large_objects_are_found_on_coarse_levels(side: float, level: int) -> None:
    centre = 144.0
    box = torch.tensor([[[centre - side / 2, centre - side / 2, centre + side / 2, centre + side / 2]]])
    shapes = [(36, 36), (18, 18), (9, 9)]
    said = targets(grid(shapes, STRIDES), box, torch.tensor([[0]]), torch.zeros(1, 1, dtype=torch.bool)).classes[0]
    counts = [int((part >= 0).sum()) for part in said.split([36 * 36, 18 * 18, 81])]
    assert [count > 0 for count in counts] == [i == level for i in range(3)]
