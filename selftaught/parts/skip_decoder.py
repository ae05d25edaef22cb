"""Decoder from the deepest features of an encoder to the picture, with its other layers as skip connections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError

LEAST = 16
"""Channels of the finest layers."""


@final
class SkipDecoder(nn.Module):
    """Levels that each double the side and halve the channels: U-Net's, with predictions at several scales.

    A level enlarges what is below by repeating pixels, convolves it, joins it to the last layer of the encoder that has
    its side and to the enlarged prediction of the level below, and convolves again (3x3, ELU). The finest levels give
    predictions.

    Args:
        shapes: Channels, height and width of each layer of the encoder, first to last.
        out: Channels of a prediction.
        size: Side of the finest prediction in pixels.
        scales: Number of predictions, each with half the side of the one before.

    Raises:
        UserError: The deepest layer is finer than the coarsest prediction.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], out: int, size: int, scales: int) -> None:
        super().__init__()
        channels, deepest, _ = shapes[-1]
        steps = max(round(math.log2(size / deepest)), 0)
        if scales > steps + 1:
            raise UserError(
                f"scales must be at most {steps + 1}, not {scales}: the deepest layer of the encoder has {deepest} "
                f"positions a side for {size} pixels"
            )
        self.sides = [-(-size // 2 ** (steps - i)) for i in range(steps + 1)]
        self.first = steps + 1 - scales
        self.skips = [self._skip(shapes, side) for side in self.sides]
        widths = [max(channels >> i, min(channels, LEAST)) for i in range(steps + 1)]
        self.up, self.join, self.predict = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        before = channels
        for i, (width, skip) in enumerate(zip(widths, self.skips, strict=True)):
            self.up.append(nn.Conv2d(before, width, 3, padding=1))
            joined = width + (0 if skip is None else shapes[skip][0]) + (out if i > self.first else 0)
            self.join.append(nn.Conv2d(joined, width, 3, padding=1))
            if i >= self.first:
                self.predict.append(nn.Conv2d(width, out, 3, padding=1))
            before = width

    @staticmethod
    def _skip(shapes: Sequence[tuple[int, ...]], side: int) -> int | None:
        """Return the last layer with this side, the deepest one aside, which is there already."""
        there = [i for i, shape in enumerate(shapes[:-1]) if tuple(shape[1:]) == (side, side)]
        return there[-1] if there else None

    def forward(self, layers: Sequence[Tensor]) -> list[Tensor]:
        """Return the predictions, the finest first: [B, out, S, S], [B, out, S/2, S/2], ..., of any size."""
        x, predictions = layers[-1], list[Tensor]()
        for i, (side, skip) in enumerate(zip(self.sides, self.skips, strict=True)):
            x = F.elu(self.up[i](F.interpolate(x, size=(side, side))))
            joined = [x] if skip is None else [x, layers[skip]]
            if predictions:
                joined.append(F.interpolate(predictions[-1], size=(side, side)))
            x = F.elu(self.join[i](torch.cat(joined, 1)))
            if i >= self.first:
                predictions.append(self.predict[i - self.first](x))
        return predictions[::-1]
