"""Boxes: overlap, the IoU loss, centre-ness and suppression, each held to its definition or to a naive loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from selftaught.evaluate.detection.geometry import boxes_of, centreness, iou, iou_loss, nms, points


def random_boxes(n: int, seed: int = 0, side: float = 40.0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, side, (n, 2)), rng.uniform(1, side / 2, (n, 2))
    return torch.from_numpy(np.concatenate([corner, corner + size], 1)).float()


def overlap(a: list[float], b: list[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def test_overlap_is_that_of_a_naive_loop() -> None:
    a, b = random_boxes(20), random_boxes(15, 1)
    wanted = [[overlap(x, y) for y in b.tolist()] for x in a.tolist()]
    assert torch.allclose(iou(a, b), torch.tensor(wanted), atol=1e-6)
    assert torch.allclose(iou(a, a).diagonal(), torch.ones(20))
    assert iou(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[1.0, 0, 2, 1]])) == 0


def test_the_iou_loss_is_minus_the_logarithm_of_the_overlap() -> None:
    rng = np.random.default_rng(2)
    predicted, target = (torch.from_numpy(rng.uniform(50, 500, (30, 4))) for _ in "12")
    at = torch.zeros(30, 2, dtype=torch.float64)
    both = zip(boxes_of(at, predicted).tolist(), boxes_of(at, target).tolist(), strict=True)
    wanted = [-math.log(overlap(a, b)) for a, b in both]
    assert torch.allclose(iou_loss(predicted, target), torch.tensor(wanted, dtype=torch.float64), rtol=1e-3)
    assert torch.equal(iou_loss(target, target), torch.zeros(30, dtype=torch.float64))
    small = torch.full((1, 4), 1e-6, requires_grad=True)
    iou_loss(small, torch.ones(1, 4)).sum().backward()
    assert small.grad is not None and bool((small.grad < 0).all())  # it grows


def test_centreness_has_its_closed_form() -> None:
    assert centreness(torch.tensor([3.0, 5.0, 3.0, 5.0])) == 1  # left, top, right, bottom
    assert centreness(torch.tensor([1.0, 2.0, 4.0, 2.0])).item() == pytest.approx(math.sqrt(1 / 4))
    assert centreness(torch.tensor([1.0, 3.0, 4.0, 27.0])).item() == pytest.approx(math.sqrt(1 / 4 * 3 / 27))
    distances = torch.rand(50, 4) + 0.1
    for d, value in zip(distances.tolist(), centreness(distances).tolist(), strict=True):
        wanted = math.sqrt(min(d[0], d[2]) / max(d[0], d[2]) * min(d[1], d[3]) / max(d[1], d[3]))
        assert value == pytest.approx(wanted, rel=1e-5)


def test_points_are_the_centres_of_cells() -> None:
    assert points(2, 3, 8).tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]


def test_distances_give_boxes() -> None:
    assert boxes_of(torch.tensor([[10.0, 20.0]]), torch.tensor([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[9, 18, 13, 24]]


def naive_nms(boxes: list[list[float]], scores: list[float], classes: list[int], threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(classes[i] != classes[k] or overlap(boxes[i], boxes[k]) <= threshold for k in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6])
def test_suppression_is_that_of_a_naive_loop(threshold: float) -> None:
    boxes = random_boxes(120, 3, 20.0)
    rng = np.random.default_rng(4)
    scores = torch.from_numpy(rng.integers(0, 50, 120) / 50).float()  # some are equal
    classes = torch.from_numpy(rng.integers(0, 3, 120))
    found = nms(boxes, scores, classes, threshold).tolist()
    assert found == naive_nms(boxes.tolist(), scores.tolist(), classes.tolist(), threshold)
    assert 3 < len(found) < 120
    assert nms(boxes[:0], scores[:0], classes[:0], 0.5).tolist() == []


def test_a_suppressed_box_suppresses_nothing() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3), 0.3).tolist() == [0, 2]
