"""A run folder that looks like a real one, made in no time; names in it try to break out of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from selftaught import encoders
from selftaught.method import Encoder, Method, Source
from selftaught.parts.shown import Pictures
from selftaught.run import RunFolder
from selftaught.views.image import Augment, ImageViews, denormalise

EVIL = '</script><img src=x onerror="window.broken=1">&\''
INPUT = {"kind": "image", "size": 8, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3}


@final
class Stripes(Source):
    """Colour pictures of three classes; the class is the brightest channel, and one name is hostile."""

    classes = ("plain", EVIL, "c")

    def __init__(self, n: int = 150, labelled: bool = True) -> None:
        random = np.random.default_rng(0)
        self._labels = np.arange(n) % 3
        self._images = random.integers(0, 90, (n, 8, 8, 3), dtype=np.uint8)
        self._images[np.arange(n), :, :, self._labels] += 120
        self._labelled = labelled

    def __len__(self) -> int:
        return len(self._images)

    def fetch(self, index: np.ndarray) -> dict[str, Any]:
        return {"image": self._images[index], "label": self.labels[index], "index": index}

    @property
    def labels(self) -> np.ndarray:
        return self._labels if self._labelled else np.full(len(self), -1)


@final
class Flip(Method):
    """Two views under one name, one under another, and something to show."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.views = ImageViews(INPUT, views=[Augment(), Augment()], key=Augment())

    def forward(self, **batch: Any) -> dict[str, Any]:
        raise AssertionError("the report does not train")

    def show(self, key: torch.Tensor, **_: Any) -> list[Pictures]:
        assert not self.training
        return [Pictures("mirrored", list(denormalise(key.flip(3), INPUT)), [EVIL] * len(key))]


def encoder() -> Encoder:
    torch.manual_seed(0)
    return encoders.build("conv", INPUT, width=4, depth=2)


def row(trained: float, untrained: float, raw: float, spread: float | None = None) -> dict[str, Any]:
    values = {"trained": trained, "untrained": untrained, "raw": raw}
    return values if spread is None else {**values, "spread": dict.fromkeys(values, spread), "draws": 5}


def bare(path: Path) -> RunFolder:
    """A run that was only just started."""
    return RunFolder.create(
        path,
        {
            "method": {"name": "flip", "note": EVIL},
            "encoder": {"name": "conv", "width": 4},
            "data": {"source": f"/data/{EVIL.replace('/', '')}", "split": "train", "limit": None},
            "recipe": {"steps": 200, "batch_size": 50, "seed": 3},
            "init": None,
        },
    )


def full(path: Path) -> RunFolder:
    """A run with curves, a warning, a probe and a skipped file."""
    run = bare(path)
    for step in range(0, 201, 2):
        line: dict[str, Any] = {"step": step, "loss": 5 * 0.99**step, "lr": 1e-3, "accuracy": step / 400, "chance": 0.1}
        if step % 50 == 0:
            line |= {
                "knn": 50 + step / 10,
                "rankme": 3.0 + step / 100,
                "embedding_std": 0.1,
                "alignment": 0.4,
                "uniformity": -2.0,
            }
        run.log(line | ({"warning": f"collapsing {EVIL}"} if step in (50, 100) else {}))
    labels = {"10": row(70, 65, 60, 2.0), "all": row(90, 85, 80), "100": row(84.5, 80.1, 78, 0.5)}
    probe = {
        "linear": row(90.3, 87.6, 84.6),
        "knn": row(80.0, 81.5, 79),
        "labels": labels,
        "protocol": {"l2": [0.1, 1.0], "note": EVIL},
    }
    run.update_summary(steps=200, seconds=75.2, images_per_second=1234.5, images=150, planned_steps=200, probe=probe)
    (run.path / "skipped.jsonl").write_text('{"path": "a.jpg", "reason": "cut short"}\n' * 3)
    return run
