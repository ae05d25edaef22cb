"""Views of samples, with random numbers for a method that draws inside `forward`."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import torch

from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Source, Views

STREAM = 0x6E756D62657273  # separates these numbers from other views' random numbers


@final
class Numbers(Views):
    """The views of `views`, and for each name in `shapes` random numbers in [0, 1), float32 [B, *shape].

    A generator inside `forward` would give each rank other numbers than one process that has the whole batch.
    """

    def __init__(self, views: Views, **shapes: tuple[int, ...]) -> None:
        self.views, self.shapes = views, shapes

    def bind(self, source: Source) -> Source:
        """Return what the views make of it."""
        return self.views.bind(source)

    def unused(self) -> dict[str, str]:
        """Return those of the views."""
        return self.views.unused()

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of the views, and the numbers."""
        found = self.views.sample(index, epoch, seed)
        for draw, (name, shape) in enumerate(self.shapes.items()):
            u = uniforms(seed, STREAM, index, epoch, np.array([draw]), math.prod(shape), np.float32)
            found[name] = u.reshape(len(index), *shape)
        return found

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views and the numbers on `device`."""
        rest = {key: value for key, value in params.items() if key not in self.shapes}
        numbers = {name: torch.from_numpy(params[name]).to(device) for name in self.shapes}
        return self.views.apply(raw, rest, device) | numbers
