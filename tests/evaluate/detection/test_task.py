"""The task detection: its data, its draws, its numbers in pixels of the whole pictures, and its examples."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from data.image.boxes import made

from selftaught import encoders
from selftaught.errors import UserError
from selftaught.evaluate.detection.detector import Detector, Found
from selftaught.evaluate.detection.locate import locate
from selftaught.evaluate.tasks.detection import Detection
from selftaught.evaluate.tuning import Parts
from selftaught.method import Source

INPUT = {"kind": "image", "size": 32, "channels": 3, "mean": [0.4] * 3, "std": [0.25] * 3}


class Start:
    """An encoder and nothing else."""

    encoder = encoders.build("conv", INPUT, width=4, depth=3)

    def open(self, data: Any, split: str) -> Any:
        raise AssertionError("boxes are opened by their own readers")

    def named(self, data: Any) -> str:
        return str(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty training pictures of 40x60 and ten test pictures of 80x120; a test picture is a training one too."""
    root = tmp_path_factory.mktemp("boxes")
    for part, count, size in (("train", 20, (40, 60)), ("test", 10, (80, 120))):
        rows = [
            {"image": made.jpeg(1000 * size[0] + i, size), "boxes": [[10 + i, 5, 30 + i, 33]], "labels": [i % 2]}
            for i in range(count)
        ]
        if part == "test":
            rows.append({"image": made.jpeg(40_000), "boxes": [[1, 1, 9, 9]], "labels": [0]})
        made.parquet(root / f"{part}.parquet", rows)
    return root


@pytest.fixture(scope="module")
def opened(folder: Path) -> tuple[Detection, Parts]:
    pytest.importorskip("pycocotools", reason="needs the extra [detection]")
    task, told = Detection(size=48, width=8, depth=1), list[str]()
    parts = task.open(Start(), folder, told.append)
    assert told[0].startswith("20 training and 10 test images, 20 and 10 boxes of 2 classes (0, 1); ")
    assert "1 test images that are in training too left out" in told[0]
    return task, parts


def test_the_canvas_holds_every_reduced_picture(opened: tuple[Detection, Parts]) -> None:
    task, parts = opened
    assert task.canvas == (32, 64)
    assert parts.train.fetch(np.arange(1))["image"][0].shape == (32, 48, 3)


def test_draws_are_nested_shares_of_the_pictures(opened: tuple[Detection, Parts]) -> None:
    task, parts = opened
    few, more = (set(task.few(parts.train, budget, 1).digests[:, 0].tolist()) for budget in ("10%", "50%"))
    assert len(task.few(parts.train, "10%", 1)) == 2 and len(task.few(parts.train, "50%", 1)) == 10
    assert few <= more
    with pytest.raises(UserError, match="labels 3/class: pictures have boxes of several classes"):
        task.few(parts.train, 3, 0)
    fitted, held = task.halves(parts.train, 0) or pytest.fail("there are enough")
    assert (len(fitted), len(held)) == (16, 4)
    both = [bytes(row) for source in (fitted, held) for row in source.digests]
    assert sorted(both) == sorted(bytes(row) for row in parts.train.digests)
    assert task.halves(task.few(parts.train, "30%", 0), 0) is None


def test_precision_is_that_of_boxes_in_whole_pictures(
    opened: tuple[Detection, Parts], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, parts = opened
    method = task.method(Start.encoder, False)

    def right(shift: float) -> Any:
        """What is annotated, in pixels of the reduced pictures."""

        def found(method: Any, source: Any, index: Any = None) -> list[Found]:
            batch = source.fetch(np.arange(len(source)) if index is None else index)
            return [
                Found(torch.from_numpy(boxes) + shift, torch.full((len(boxes),), 0.9), torch.from_numpy(labels))
                for boxes, labels in zip(batch["boxes"], batch["class"], strict=True)
            ]

        return found

    monkeypatch.setattr("selftaught.evaluate.tasks.detection.locate", right(0.0))
    assert task.judge(method, parts.train, parts.test)["AP"] == pytest.approx(100)
    monkeypatch.setattr("selftaught.evaluate.tasks.detection.locate", right(1.5))  # 3.75 of 20x28 pixels
    loose = task.judge(method, parts.train, parts.test)
    assert loose["AP50"] == pytest.approx(100) and loose["AP75"] < 5
    told = task.examples(method, parts.test)
    assert told is not None and told["section"] == "detection" and len(told["rows"]) == 8
    row = told["rows"][0]
    assert row["uri"].startswith("data:image/webp;base64,")
    assert row["truth"][0][:4] == pytest.approx([10 / 120, 5 / 80, 30 / 120, 33 / 80], abs=1e-3)
    assert len(row["found"]) == 1 and row["found"][0][5] == 0.9


def test_weights_alone_restore_the_detector(opened: tuple[Detection, Parts]) -> None:
    task, _ = opened
    method = task.method(Start.encoder, False, trunk=0.1)
    assert isinstance(method, Detector) and method.trunk == 0.1
    tensors = method.state_dict()
    again = Detection(size=48, width=8, depth=1).restored(encoders.build("conv", INPUT, width=4, depth=3), tensors, {})
    again.load_state_dict(tensors)
    image = torch.randn(1, 3, 64, 64)
    assert isinstance(again, Detector)
    square = Detector(method.encoder, 2, (64, 64), **task.shape)
    square.load_state_dict(tensors)
    for a, b in zip(again.eval().say(image), square.eval().say(image), strict=True):
        assert torch.equal(a, b)


def test_data_and_encoders_that_cannot_serve_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pycocotools", reason="needs the extra [detection]")

    words = SimpleNamespace(encoder=SimpleNamespace(spec={"input": {"kind": "text"}}))
    with pytest.raises(UserError, match="detection needs an encoder of images, but this one takes text"):
        Detection().open(words, tmp_path)  # type: ignore[arg-type]
    rows = [{"image": made.jpeg(i), "boxes": [[1, 1, 9, 9]] * (i < 4), "labels": [0] * (i < 4)} for i in range(8)]
    made.parquet(tmp_path / "train.parquet", rows[:4])
    made.parquet(tmp_path / "test.parquet", rows[4:])
    with pytest.raises(UserError, match="the test pictures have no boxes"):
        Detection().open(Start(), tmp_path)
    made.parquet(tmp_path / "test.parquet", rows[:4])
    with pytest.raises(UserError, match="every test picture also occurs in the training data"):
        Detection().open(Start(), tmp_path)
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(UserError, match=r"detection needs pycocotools: pip install 'selftaught\[detection\]'"):
        Detection().open(Start(), tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"levels": 4}, "levels must be 1, 2 or 3, not 4"),
        ({"width": 12}, "width must be a multiple of 8, not 12"),
        ({"size": 8}, "size must be at least 32, not 8"),
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"depth": 0}, "depth must be at least 1, not 0"),
        ({"zoom": 5.0}, r"zoom must be in \[0, 4\), not 5.0"),
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Detection(**wrong)


def test_boxes_come_back_in_pixels_of_larger_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that says the canvas's own box, whatever it sees."""

    class Pictures(Source):
        def __len__(self) -> int:
            return 2

        def fetch(self, index: Any) -> dict[str, Any]:
            return {"image": [np.zeros(((20, 40, 3), (64, 256, 3))[i], np.uint8) for i in index], "index": index}

    method = Detector(Start.encoder, 1, (32, 64), width=8, depth=1)
    one = Found(torch.tensor([[4.0, 2, 64, 32]]), torch.tensor([0.5]), torch.tensor([0]))
    monkeypatch.setattr(Detector, "find", lambda self, image: [one] * len(image))
    small, large = locate(method, Pictures())
    assert small.boxes.tolist() == [[4, 2, 40, 20]]  # not reduced, and cut at its border
    assert large.boxes.tolist() == [[16, 8, 256, 64]]  # reduced to a quarter
