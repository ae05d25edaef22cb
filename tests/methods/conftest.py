"""A few noisy pictures, an encoder for them, and one step of any method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught import encoders
from selftaught.method import Clock, Encoder, Index, Labels, Method, Raw, Source
from selftaught.parts.norm import set_groups

SIZE, CHANNELS = 12, 3
INPUT = {"kind": "image", "size": SIZE, "channels": CHANNELS, "mean": [0.5, 0.4, 0.6], "std": [0.2, 0.3, 0.25]}


@final
class Pictures(Source):
    """Random colour pictures of 12 x 12 pixels."""

    def __init__(self, n: int = 16, classes: int = 3, labels: Labels | None = None) -> None:
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (n, SIZE, SIZE, CHANNELS), dtype=np.uint8)
        self._labels = np.arange(n) % classes if labels is None else labels

    def __len__(self) -> int:
        return len(self.images)

    def fetch(self, index: Index) -> Raw:
        return {"image": self.images[index], "label": self._labels[index], "index": index}

    @property
    def labels(self) -> Labels:
        return self._labels


@final
class Embedded:
    """Gives the same features of all samples, whole or in parts, and notes which layers were asked for."""

    def __init__(self, features: Tensor) -> None:
        self.features = features
        self.asked: list[int | None] = []

    def __call__(self, views: Any, layer: int | None = None) -> Tensor:
        self.asked.append(layer)
        return self.features

    def parts(self, views: Any, layer: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        self.asked.append(layer)
        for index in torch.arange(len(self.features)).split(7):
            yield index, self.features[index]


@final
class Bench:
    """What the tests of all methods need."""

    input = INPUT
    Pictures = Pictures
    Embedded = Embedded

    def encoder(self, name: str = "conv", **arguments: Any) -> Encoder:
        torch.manual_seed(0)
        return encoders.build(name, INPUT, **({"width": 4, "depth": 2} | arguments))

    def batch(self, method: Method, n: int = 16, epoch: int = 0, seed: int = 0, first: int = 0) -> dict[str, Any]:
        source, index = Pictures(first + n), np.arange(first, first + n)
        return method.views.apply(source.fetch(index), method.views.sample(index, epoch, seed), torch.device("cpu"))

    def step(
        self, method: Method, batch: dict[str, Any] | None = None, clock: Clock | None = None, groups: int = 1
    ) -> dict[str, Any]:
        """forward, backward, plain SGD, after_step: what a loop does."""
        clock = clock or Clock()
        set_groups(method, groups)
        outputs = method(player="main", clock=clock, **(batch or self.batch(method)))
        outputs["loss"].backward()
        with torch.no_grad():
            for p in method.parameters():
                if p.grad is not None:
                    p.sub_(0.1 * p.grad)
                    p.grad = None
            method.after_step(clock, {k: v.detach() if isinstance(v, torch.Tensor) else v for k, v in outputs.items()})
        return outputs

    def fingerprint(self, method: Method, steps: int = 2) -> list[Any]:
        """What a little training shows: an argument that the method ignores leaves this as it is."""
        clock, losses = Clock(0, steps), []
        for clock.step in range(steps):
            losses.append(self.step(method, self.batch(method, epoch=clock.step), clock)["loss"].item())
        return [losses, [{k: v for k, v in g.items() if k != "params"} for p in method.players() for g in p.groups]]


@pytest.fixture
def bench() -> Bench:
    return Bench()
