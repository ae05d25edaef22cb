"""Averages of what a method reports, between two lines of the log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from selftaught.parts import gather


@final
class Meter:
    """Adds up scalars and returns their means.

    Beside the mean "accuracy" of a pretext stands "accuracy_untrained", that of the first batch before the first
    update: some tasks are solved by a network that has learned nothing. Its state is part of a checkpoint, so a stop
    between two lines changes no number.
    """

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.last_loss = math.inf
        self.first: dict[str, float] | None = None  # of the first call

    def add(self, scalars: Mapping[str, Any]) -> None:
        """Add numbers and zero-dimensional tensors; other values are ignored."""
        if self.first is None:
            first: Any = scalars.get("accuracy")
            self.first = {"accuracy_untrained": float(first)} if is_scalar(first) else {}
        for name, value in scalars.items():
            if is_scalar(value):
                self.sums[name] = self.sums.get(name, 0.0) + float(value)
                self.counts[name] = self.counts.get(name, 0) + 1

    def means(self, device: torch.device) -> dict[str, float]:
        """Return the mean of each scalar since the last call, over all ranks."""
        beside = (self.first or {}) if "accuracy" in self.sums else {}
        mean = {name: self.sums[name] / self.counts[name] for name in sorted(self.sums)} | beside
        names, means = list(mean), list(mean.values())
        self.sums, self.counts = {}, {}
        if gather.world() > 1:
            means = gather.average(torch.tensor(means, dtype=torch.float64, device=device)).tolist()
        found = dict(zip(names, means, strict=True))
        self.last_loss = found["loss"]
        return found

    @property
    def loss(self) -> float:
        """Return the mean loss since the last line of the log, or that of the line if it was just written."""
        return self.sums["loss"] / self.counts["loss"] if "loss" in self.sums else self.last_loss

    def state(self) -> dict[str, Any]:
        """Return a JSON-able state; non-finite numbers become null and are dropped."""
        return {"sums": self.sums, "counts": self.counts, "last_loss": self.last_loss, "first": self.first}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        self.sums = {k: v for k, v in state["sums"].items() if v is not None}
        self.counts = {k: v for k, v in state["counts"].items() if k in self.sums}
        self.first = state.get("first", {})
        self.last_loss = math.inf if state["last_loss"] is None else state["last_loss"]


def is_scalar(value: Any) -> bool:
    """Return whether a method's output is a number to plot."""
    return isinstance(value, int | float) or (isinstance(value, Tensor) and value.ndim == 0)
