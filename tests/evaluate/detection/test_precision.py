"""Average precision: hand-made cases, the rules that any such number obeys, and pycocotools' own files."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selftaught.errors import UserError
from selftaught.evaluate.detection.precision import average_precision

pytest.importorskip("pycocotools", reason="needs the extra [detection]")
Boxes = list[tuple[list[float], int]]


def truth(*pictures: Boxes, ignored: int = -1) -> list[Any]:
    return [
        (np.array([box for box, _ in one], float).reshape(-1, 4), np.array([c for _, c in one], int),
         np.arange(len(one)) == ignored)
        for one in pictures
    ]  # fmt: skip


def found(*pictures: list[tuple[list[float], int, float]]) -> list[Any]:
    return [
        (np.array([box for box, _, _ in one], float).reshape(-1, 4), np.array([c for _, c, _ in one], int),
         np.array([s for _, _, s in one], float))
        for one in pictures
    ]  # fmt: skip


SIZES = np.array([[100, 100]] * 2)
A, B, C = [10.0, 10, 30, 30], [50.0, 50, 80, 90], [5.0, 60, 25, 95]
THREE = truth([(A, 0), (B, 0)], [(C, 0)])


def test_what_is_right_is_100_and_what_is_nowhere_is_0() -> None:
    right = found([(A, 0, 0.9), (B, 0, 0.8)], [(C, 0, 0.7)])
    assert average_precision(THREE, right, SIZES, 1) == pytest.approx({"AP": 100, "AP50": 100, "AP75": 100})
    assert average_precision(THREE, found([], []), SIZES, 1) == {"AP": 0, "AP50": 0, "AP75": 0}
    away = found([([0.0, 0, 5, 5], 0, 0.9)], [])
    assert average_precision(THREE, away, SIZES, 1)["AP50"] == 0


def test_a_hand_made_example_of_three_boxes() -> None:
    """Right, wrong, right, and one box never found: precision 1 up to recall 1/3, 2/3 up to 2/3, 0 above."""
    said = found([(A, 0, 0.9), ([0.0, 0, 4, 4], 0, 0.8), (B, 0, 0.7)], [])
    wanted = 100 * (34 * 1 + 33 * 2 / 3) / 101  # at the recalls 0, 0.01, ..., 1
    assert average_precision(THREE, said, SIZES, 1)["AP50"] == pytest.approx(wanted)


def test_a_loose_box_counts_at_small_overlaps_alone() -> None:
    loose = [10.0, 10, 30, 24]  # 14/20 of A
    result = average_precision(truth([(A, 0)], []), found([(loose, 0, 0.9)], []), SIZES, 1)
    assert result == pytest.approx({"AP": 50, "AP50": 100, "AP75": 0})  # 0.50, 0.55, ..., 0.70 of ten overlaps


def test_a_false_box_below_all_others_never_helps_and_order_has_no_effect() -> None:
    said = [(A, 0, 0.9), ([48.0, 52, 80, 88], 0, 0.8)]
    before = average_precision(THREE, found(said, [(C, 0, 0.7)]), SIZES, 1)
    more = average_precision(THREE, found([*said, ([0.0, 0, 9, 9], 0, 0.1)], [(C, 0, 0.7)]), SIZES, 1)
    assert all(more[name] <= before[name] + 1e-9 for name in before)
    assert before["AP"] <= before["AP50"]
    turned = average_precision(THREE, found(said[::-1], [(C, 0, 0.7)]), SIZES, 1)
    assert turned == before


def test_each_box_is_found_once_and_classes_do_not_mix() -> None:
    twice = average_precision(truth([(A, 0)], [(C, 0)]), found([(A, 0, 0.9), (A, 0, 0.8)], [(C, 0, 0.7)]), SIZES, 1)
    assert twice["AP50"] == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)
    two = truth([(A, 0), (B, 1)], [])  # and the third class never occurs
    assert average_precision(two, found([(A, 0, 0.9), (B, 0, 0.8)], []), SIZES, 2)["AP50"] == pytest.approx(50)
    assert average_precision(two, found([(A, 0, 0.9), (B, 1, 0.8)], []), SIZES, 3)["AP50"] == pytest.approx(
        100
    )  # one never occurs


def test_an_ignored_box_is_neither_right_nor_wrong() -> None:
    there = truth([(A, 0), (B, 0)], [], ignored=1)
    assert average_precision(there, found([(A, 0, 0.8), (B, 0, 0.9)], []), SIZES, 1)["AP"] == pytest.approx(100)
    with pytest.raises(UserError, match="the test pictures have no boxes"):
        average_precision(truth([(A, 0)], ignored=0), found([]), SIZES[:1], 1)


def test_the_numbers_are_those_of_pycocotools_from_files(tmp_path: Path) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(0)
    there, said = [], []
    for _ in range(12):
        corner = rng.uniform(0, 60, (5, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(8, 40, (5, 2))], 1)
        there.append((boxes, rng.integers(0, 3, 5), np.zeros(5, bool)))
        noisy = np.concatenate([boxes + rng.normal(0, 2.5, boxes.shape), boxes[:2] + 30])
        said.append((noisy, np.concatenate([there[-1][1], rng.integers(0, 3, 2)]), rng.random(7)))
    images = [{"id": i + 1, "width": 120, "height": 120} for i in range(12)]
    boxes = [
        {"image_id": i + 1, "category_id": int(c) + 1, "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]], "iscrowd": 0,
         "area": (b[2] - b[0]) * (b[3] - b[1])}
        for i, (corners, classes, _) in enumerate(there) for b, c in zip(corners.tolist(), classes, strict=True)
    ]  # fmt: skip
    files = tmp_path / "truth.json", tmp_path / "found.json"
    files[0].write_text(json.dumps({
        "info": {}, "images": images, "categories": [{"id": i + 1} for i in range(3)],
        "annotations": [box | {"id": i + 1} for i, box in enumerate(boxes)],
    }))  # fmt: skip
    files[1].write_text(json.dumps([
        {"image_id": i + 1, "category_id": int(c) + 1, "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]], "score": s}
        for i, (corners, classes, scores) in enumerate(said)
        for b, c, s in zip(corners.tolist(), classes, scores.tolist(), strict=True)
    ]))  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        given = COCO(str(files[0]))
        judge = COCOeval(given, given.loadRes(str(files[1])), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    ours = average_precision(there, said, np.array([[120, 120]] * 12), 3)
    assert list(ours.values()) == pytest.approx([100 * value for value in judge.stats[:3]])
    assert 10 < ours["AP"] < ours["AP50"] < 100
