"""Blocks of patches to predict, and the patches around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.views.image import Augment, ImageViews

SIZES, PLACES = 0x6A657061, 0x6A657062  # separate the blocks from other views' random numbers
TARGET, ASPECT, CONTEXT = (0.15, 0.2), (0.75, 1.5), (0.85, 1.0)
"""Areas of a target block, its height over its width, and areas of the context block: shares of the image."""
TRIES = 8
"""How often blocks are drawn for an image before all targets are put into one corner."""


@final
class Blocks(Views):
    """Views "image", and "context" and "targets": the numbers of the patches that are seen and that are predicted."""

    def __init__(self, input: Mapping[str, Any], augment: Augment, side: int, blocks: int, keep: float) -> None:
        self.image, self.side, self.blocks, self.keep = ImageViews(input, image=augment), side, blocks, keep

    def sizes(self, epoch: int, seed: int) -> NDArray[np.int64]:
        """Return height and width in patches of each target block of an epoch, int64 [M, 2]."""
        u = uniforms(seed, SIZES, np.zeros(1, np.int64), epoch, np.arange(self.blocks), 2)[0]  # [M, 2]
        return shape(self.side, TARGET[0] + u[:, 0] * (TARGET[1] - TARGET[0]), u[:, 1])

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the image view's parameters, "context" int64 [B, K], and "target0" ... int64 [B, n_m].

        K is what `keep` says. Places are drawn again, at most `TRIES` times, while the targets leave fewer patches of
        the context block; after that all targets are in the first corner.
        """
        count, sizes = self.side**2, self.sizes(epoch, seed)
        k = min(max(round(self.keep * count), 1), count - int(sizes.max(0).prod()))
        u = uniforms(seed, PLACES, index, epoch, np.arange(TRIES), 3 + 2 * self.blocks + count)  # [B, TRIES, ...]
        shapes = list(enumerate(sizes.tolist()))
        targets = [np.zeros((len(index), n), np.int64) for n in sizes.prod(1)]
        left, todo = np.zeros((len(index), count), bool), np.ones(len(index), bool)
        for attempt in range(TRIES + 1):
            if not todo.any():
                break
            last = attempt == TRIES
            place = u[todo, attempt, 3:] if not last else np.zeros((int(todo.sum()), 2 * self.blocks))
            found = [rectangle(place[:, 2 * m : 2 * m + 2], height, width, self.side) for m, (height, width) in shapes]
            rest = np.ones((int(todo.sum()), count), bool)
            for box in found:
                np.put_along_axis(rest, box, False, 1)
            inside = rest if last else rest & self.square(u[todo, attempt, :3])
            enough = inside.sum(1) >= k
            done = np.flatnonzero(todo)[enough]
            left[done] = inside[enough]
            for target, box in zip(targets, found, strict=True):
                target[done] = box[enough]
            todo[done] = False
        context = np.argsort(np.where(left, u[:, 0, -count:], 2.0), 1)[:, :k]
        named = {f"target{m}": target for m, target in enumerate(targets)}
        return {**self.image.sample(index, epoch, seed), **named, "context": np.sort(context, 1)}

    def square(self, u: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which patches are in a context block: area and place [B, 3] in [0, 1) to [B, P]."""
        area = CONTEXT[0] + u[:, 0] * (CONTEXT[1] - CONTEXT[0])
        edge = np.rint(self.side * np.sqrt(area))[:, None]  # [B, 1]
        first = np.floor(u[:, 1:] * (self.side - edge + 1))  # [B, 2]
        cells = np.divmod(np.arange(self.side**2), self.side)
        inside = [(first[:, [d]] <= cell) & (cell < first[:, [d]] + edge) for d, cell in enumerate(cells)]
        both: NDArray[np.bool_] = inside[0] & inside[1]
        return both

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        own = ["context", *(f"target{m}" for m in range(self.blocks))]
        batch = self.image.apply(raw, {k: v for k, v in params.items() if k not in own}, device)
        context, *targets = (torch.from_numpy(np.ascontiguousarray(params[name])).to(device) for name in own)
        return {**batch, "context": context, "targets": targets}


def shape(side: int, area: float | NDArray[np.float64], aspect: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return height and width in patches, int64 [M, 2], of blocks with a share of the area and `aspect` in [0, 1)."""
    ratio = ASPECT[0] + aspect * (ASPECT[1] - ASPECT[0])
    both = side * np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], 1)
    sizes: NDArray[np.int64] = np.clip(np.rint(both), 1, side - 1).astype(np.int64)
    return sizes


def rectangle(place: NDArray[np.float64], height: int, width: int, side: int) -> NDArray[np.int64]:
    """Return the patches of a rectangle in a grid, int64 [B, height * width], at a random place [B, 2] in [0, 1)."""
    top, left = (np.floor(place[:, d] * (side - n + 1)).astype(np.int64) for d, n in enumerate((height, width)))
    rows = top[:, None] + np.arange(height)  # [B, height]
    columns = left[:, None] + np.arange(width)
    cells: NDArray[np.int64] = (rows[:, :, None] * side + columns[:, None, :]).reshape(len(place), -1)
    return cells
