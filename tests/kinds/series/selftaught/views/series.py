"""Views of series: as they are, or with their level and scale changed at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.parts.shown import Curves

RAW = "the numbers themselves"
_STREAM = 0x736572


@final
class SeriesViews(Views):
    """Named views, float32 [B, 1, T], standardised; `strength` 0 changes nothing."""

    def __init__(self, input: Mapping[str, Any], names: tuple[str, ...], strength: float) -> None:
        self.input, self.names, self.strength = dict(input), names, strength

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """A factor and a shift for each view: [B, V, 2]."""
        u = uniforms(seed, _STREAM, index, epoch, np.arange(len(self.names)), 2)
        return {"change": self.strength * (2 * u - 1)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """The views on `device`."""
        rows = (raw["series"] - self.input["mean"]) / self.input["std"]  # [B, T]
        batch: Batch = {}
        for v, name in enumerate(self.names):
            factor, shift = (params["change"][:, v, i, None] for i in range(2))
            changed = rows * (1 + factor) + shift
            batch[name] = torch.from_numpy(changed.astype(np.float32))[:, None].to(device)
        return batch | {key: torch.from_numpy(raw[key]).to(device) for key in ("label", "index") if key in raw}


def plain(input: Mapping[str, Any]) -> SeriesViews:
    """As they are: "series"."""
    return SeriesViews(input, ("series",), 0.0)


def raw(input: Mapping[str, Any]) -> SeriesViews:
    """The numbers themselves."""
    return plain(input)


def augment(input: Mapping[str, Any]) -> SeriesViews:
    """Two views of another level and scale."""
    return SeriesViews(input, ("first", "second"), 0.2)


def show(name: str, values: Any, input: Mapping[str, Any]) -> Curves | None:
    """Curves, one a sample."""
    if isinstance(values, Tensor):
        if values.ndim != 3:
            return None
        return Curves(name, [row.numpy() * input["std"] + input["mean"] for row in values])
    return Curves(name, [np.asarray(row)[None] for row in values])
