"""Fine-tuning for detection."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np
from PIL import Image
from torch import Tensor

from selftaught.data.budget import Budget
from selftaught.data.image.boxes.opening import open_boxes
from selftaught.data.image.boxes.source import Boxed, reduced
from selftaught.data.told import NAMED, opening
from selftaught.errors import UserError
from selftaught.evaluate.detection.detector import Detector, Found
from selftaught.evaluate.detection.locate import locate
from selftaught.evaluate.detection.precision import METRICS, average_precision, needed
from selftaught.evaluate.task import Said
from selftaught.evaluate.tuning import Parts, Setting, Subject, Tuning
from selftaught.method import Encoder, Method, Source
from selftaught.source import evenly

FOLDS = 5
"""One of so many training pictures is held out to choose the setting."""
SHOWN = 8
"""Number of held-out pictures in the report."""
LOOKED = 480
"""Their longest side in pixels."""
SURE = 0.5
"""Shown are boxes of at least this score."""


@final
class Detection(Tuning):
    """Boxes around objects in pictures, by an anchor-free detector (FCOS) around the encoder.

    Data are COCO's JSON, a folder of Pascal VOC's XML, or Parquet with the columns image, boxes and labels.

    Args:
        size: Longest side of the pictures in pixels; larger ones are reduced.
        levels: Number of feature maps that objects are found on, 1 to 3: small objects on the first.
        stride: Pixels between points of the first map.
        width: Channels of the detector's own layers, a multiple of 8.
        depth: Convolutions in each of the two heads.
        zoom: Training pictures are scaled by a factor of up to 1 + zoom, up or down.
    """

    metrics = METRICS
    recipe: ClassVar[dict[str, Any]] = {"batch_size": 8, "clip": 10.0}
    settings = ({"lr": 2e-3, "trunk": 1.0}, {"lr": 2e-3, "trunk": 0.1})
    head = ({"lr": 2e-3},)
    grouped = False

    def __init__(
        self, size: int = 160, levels: int = 2, stride: int = 8, width: int = 64, depth: int = 2, zoom: float = 0.2
    ) -> None:
        if not 1 <= levels <= 3:
            raise UserError(f"levels must be 1, 2 or 3, not {levels}")
        if width < 8 or width % 8:
            raise UserError(f"width must be a multiple of 8, not {width}")
        for name, value, least in (("size", size, 32), ("stride", stride, 1), ("depth", depth, 1)):
            if value < least:
                raise UserError(f"{name} must be at least {least}, not {value}")
        if not 0 <= zoom < 4:
            raise UserError(f"zoom must be in [0, 4), not {zoom}")
        self.size, self.zoom = size, zoom
        self.shape: dict[str, Any] = {"levels": levels, "stride": stride, "width": width, "depth": depth}

    def open(self, run: Subject, data: Any, say: Said | None = None) -> Parts:
        """Open pictures with boxes, see `data.image.boxes`.

        Raises UserError if the encoder takes no images, or there are no boxes in a part.
        """
        needed()
        seen = run.encoder.spec["input"]
        if "channels" not in seen:
            raise UserError(f"detection needs an encoder of images, but this one takes {seen['kind']}")
        train, test = open_boxes(data, self.size, int(seen["channels"]))
        if say is not None:
            counts = " and ".join(f"{sum(len(one.corners) for one in part.annotations):,}" for part in (train, test))
            many = "class" if len(train.classes) == 1 else "classes"
            names = f"{len(train.classes):,} {many} ({', '.join(train.classes[:NAMED])})"
            say(opening(run.named(data), train, test, f"{counts} boxes of {names}"))
        for part, source in (("training", train), ("test", test)):
            if not any(len(one.corners) for one in source.annotations):
                raise UserError(f"the {part} pictures have no boxes: name other data")
        self.canvas = _canvas(train, test)
        self.classes = train.classes
        return Parts(train, test)

    def few(self, train: Source, budget: Budget, seed: int) -> Source:
        """Return a share of the pictures. Raises UserError for a number per class, which pictures do not have."""
        assert isinstance(train, Boxed)
        if isinstance(budget, int):
            raise UserError(f"labels {budget}/class: pictures have boxes of several classes: give a share such as 10%")
        order = np.random.Generator(np.random.Philox(key=[seed, 0xB0E5])).permutation(len(train))
        count = max(1, round(float(budget.removesuffix("%")) / 100 * len(train)))
        return train if count == len(train) else train.part(np.sort(order[:count]))

    def halves(self, train: Source, seed: int) -> tuple[Source, Source] | None:
        """Return four fifths of the pictures, and a fifth; None if there are fewer than ten, or one has no boxes."""
        assert isinstance(train, Boxed)
        order = np.random.Generator(np.random.Philox(key=[seed, 0xB0E6])).permutation(len(train))
        held = len(train) // FOLDS
        parts = train.part(np.sort(order[held:])), train.part(np.sort(order[:held]))
        there = all(any((~one.ignored).any() for one in part.annotations) for part in parts)
        return parts if len(train) >= 2 * FOLDS and there else None

    def steps(self, train: Source) -> int:
        """Return 300 steps."""
        return 300

    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Method:
        """Return the detector."""
        trunk = setting.get("trunk", 1.0)
        return Detector(
            encoder, len(self.classes), self.canvas, frozen=frozen, zoom=self.zoom, trunk=trunk, **self.shape
        )

    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return a detector of these classes; its canvas is square, as the pictures are not known."""
        return Detector(encoder, len(tensors["heads.classes.weight"]), _padded(self.size, self.size), **self.shape)

    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return AP, AP50 and AP75 on `test`, in pixels of the pictures as they are."""
        assert isinstance(test, Boxed) and isinstance(method, Detector)
        found = []
        for boxes, one in zip(locate(method, test), range(len(test)), strict=True):
            found.append((_whole(boxes, test, one), boxes.classes.numpy(), boxes.scores.numpy()))
        truth = [(one.corners, one.classes, one.ignored) for one in test.annotations]
        return average_precision(truth, found, test.sizes, len(self.classes))

    def examples(self, method: Method, test: Source) -> dict[str, Any] | None:
        """Return held-out pictures with their boxes and those found, as shares of width and height."""
        assert isinstance(test, Boxed) and isinstance(method, Detector)
        index = evenly(len(test), SHOWN)
        raw = test.fetch(index)
        rows = []
        for i, image, truth, labels, found in zip(
            index, raw["image"], raw["boxes"], raw["class"], locate(method, test, index), strict=True
        ):
            shares = np.array([*image.shape[1::-1]] * 2)
            looked = reduced(test.pictures[i].read(), LOOKED, test.channels)[0]
            sure = found.scores >= SURE
            rows.append({
                "name": test.names(np.array([i]))[0], "uri": _uri(looked),
                "width": looked.shape[1], "height": looked.shape[0],
                "truth": [[*map(_short, box / shares), int(c)] for box, c in zip(truth, labels, strict=True)],
                "found": [
                    [*map(_short, box / shares), int(c), round(float(s), 3)]
                    for box, s, c in zip(*(part[sure].numpy() for part in found), strict=True)
                ],
            })  # fmt: skip
        return {"section": "detection", "classes": list(self.classes), "sure": SURE, "rows": rows}


def _whole(found: Found, source: Boxed, i: int) -> Any:
    """Return boxes in pixels of picture `i` as it is."""
    height, width = source.sizes[i]
    shape = source.fetch(np.array([i]))["image"][0].shape
    return found.boxes.numpy() * np.array([width / shape[1], height / shape[0]] * 2)


def _canvas(*sources: Boxed) -> tuple[int, int]:
    """Return height and width that hold every reduced picture, multiples of 32."""
    sizes = np.concatenate([source.sizes for source in sources])
    scale = np.minimum(sources[0].side / sizes.max(1), 1.0)
    height, width = np.ceil((sizes * scale[:, None]).max(0) - 1e-6).astype(int)
    return _padded(int(height), int(width))


def _padded(height: int, width: int) -> tuple[int, int]:
    return -(-height // 32) * 32, -(-width // 32) * 32


def _uri(image: Any) -> str:
    out = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else np.ascontiguousarray(image[..., :3])).save(
        out, "WEBP", quality=85
    )
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


def _short(share: float) -> float:
    return round(float(share), 4)
