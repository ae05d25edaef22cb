"""A kind of sample and a section that selftaught does not know, found once their folders are on the packages' paths."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch
from torch import Tensor

import selftaught.report.sections
import selftaught.views
from selftaught.method import Encoder, Method, Source
from selftaught.parts.shown import Curves, Pictures, Shown, Sounds, Table

HERE = Path(__file__).parent
INPUT = {"kind": "tone", "length": 800, "rate": 8000}


def learn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind "tone" and the section "moons" are there until `monkeypatch` is undone."""
    for package in (selftaught.views, selftaught.report.sections):
        folder = HERE / package.__name__.rpartition(".")[2]
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        for file in folder.glob("*.py"):
            name = f"{package.__name__}.{file.stem}"
            # so that undoing it also forgets what is imported under the name
            monkeypatch.setitem(sys.modules, name, None)
            del sys.modules[name]


@final
class Tones(Source):
    """Sines of two pitches, and noise in them."""

    classes = ("low", "high")

    def __init__(self, n: int = 40) -> None:
        time = np.arange(INPUT["length"]) / INPUT["rate"]
        noise = np.random.default_rng(0).normal(0, 0.05, (n, len(time)))
        self._labels = np.arange(n) % 2
        self._waves = (0.6 * np.sin(2 * np.pi * np.outer(220 * (1 + self._labels), time)) + noise).astype(np.float32)

    def __len__(self) -> int:
        return len(self._waves)

    def fetch(self, index: np.ndarray) -> dict[str, Any]:
        return {"tone": list(self._waves[index]), "label": self._labels[index], "index": index}

    @property
    def labels(self) -> np.ndarray:
        return self._labels


@final
class Ear(Encoder):
    """Parts of the spectrum."""

    dim = 16

    def __init__(self) -> None:
        super().__init__()
        self.spec = {"name": "ear", "input": INPUT}

    def layers(self, x: Tensor) -> list[Tensor]:
        return [torch.fft.rfft(x).abs()[:, None, 8:72].unflatten(2, (16, 4)).mean(3)]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[-1][:, 0]


@final
class Everything(Method):
    """Shows one row of each type, with a name that tries to break out."""

    def __init__(self, name: str = "a row") -> None:
        super().__init__()
        from selftaught.views import tone

        self.encoder, self.views, self.name = Ear(), tone.Tones(), name

    def forward(self, **batch: Any) -> dict[str, Any]:
        raise AssertionError("the report does not train")

    def show(self, tone: Tensor, **_: Any) -> list[Shown]:
        waves = tone.numpy()  # [B, T]
        gap = waves[:, None, :200].repeat(2, 1) * [[1], [0.3]]
        gap[0, 1, 50:60] = np.nan
        rows = [["low", 20, 0.5], [self.name, None, -0.25], ["last", 3, float("nan")]]
        return [
            Pictures(
                "spectrum", list(np.abs(np.fft.rfft(waves))[:, :64].reshape(-1, 8, 8, 1).clip(0, 255).astype(np.uint8))
            ),
            Curves("start", list(gap)),
            Sounds("heard", list(waves), INPUT["rate"]),
            Table(self.name, ["what", "how many", "share"], rows),
        ]
