"""Small encoders, sources and methods that the tests of evaluation look at."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selftaught.method import Batch, Encoder, Index, Labels, Method, Outputs, Params, Raw, Source, Views

INPUT = {"kind": "image", "size": 8, "channels": 1, "mean": [0.3], "std": [0.3]}


@final
class Pictures(Source):
    """Grey 8x8 pictures: a pattern for each class, and noise."""

    def __init__(
        self, n: int = 200, classes: int = 4, noise: float = 40.0, seed: int = 0, labelled: bool = True
    ) -> None:
        rng = np.random.default_rng(seed)
        patterns = np.random.default_rng(99).uniform(0, 255, (classes, 8, 8, 1))
        self.truth = rng.permutation(np.arange(n) % classes)
        self.images = np.clip(patterns[self.truth] + rng.normal(0, noise, (n, 8, 8, 1)), 0, 255).astype(np.uint8)
        self.shown = self.truth if labelled else np.full(n, -1)

    def __len__(self) -> int:
        return len(self.images)

    def fetch(self, index: Index) -> Raw:
        return {"image": self.images[index], "label": self.shown[index], "index": index}

    @property
    def labels(self) -> Labels:
        return self.shown.astype(np.int64)


@final
class Small(Encoder):
    """Two convolutions with batch norm and dropout: whatever evaluation could disturb is there."""

    def __init__(self, dim: int = 24) -> None:
        super().__init__()
        self.dim = dim
        self.spec = {"name": "small", "input": INPUT}
        self.body = nn.Sequential(
            nn.Conv2d(1, dim, 3, 2, 1), nn.BatchNorm2d(dim), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2)
        )
        self.out = nn.Linear(4 * dim, dim)

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        return [self.body(x)]

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.local(x).flatten(1))


@final
class Jittered(Views):
    """Two normalised copies with noise of their own."""

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        streams = [np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, int(i)])) for i in index]
        return {"noise": np.asarray([stream.normal(size=(2, 1, 8, 8)) for stream in streams], np.float32)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        x = (torch.from_numpy(raw["image"]).permute(0, 3, 1, 2).float() / 255 - 0.3) / 0.3
        noise = 0.3 * torch.from_numpy(params["noise"])
        return {"views": [x + noise[:, 0], x + noise[:, 1]], "index": torch.from_numpy(raw["index"])}


@final
class Pull(Method):
    """Two views attract each other.

    With `repel` every other sample is pushed away, without nothing stops all from falling together.
    """

    def __init__(self, encoder: Encoder, repel: bool) -> None:
        super().__init__()
        self.encoder, self.views, self.repel = encoder, Jittered(), repel

    def forward(self, views: list[Tensor], **_: Any) -> Outputs:  # type: ignore[override]
        a, b = (F.normalize(self.encoder(v), dim=1) for v in views)
        if not self.repel:
            return {"loss": (a - b).square().sum(1).mean()}
        scores = a @ b.T / 0.2
        target = torch.arange(len(a))
        accuracy = (scores.argmax(1) == target).float().mean()
        return {"loss": F.cross_entropy(scores, target), "accuracy": accuracy, "chance": 1 / len(a), "keys": b.detach()}
