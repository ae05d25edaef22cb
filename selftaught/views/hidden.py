"""One view of each sample, and which positions of it are hidden from an encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Source, Views, given
from selftaught.source import BESIDE

STREAM = 0x68696464656E  # separates the hidden positions from other views' random numbers


@final
class Hidden(Views):
    """Views "sample" and "hide", and the "mask" of the sample if `view` has one: False at padding.

    "hide", bool [B, P], is True at round(share * P) positions, at least one and not all. They form blocks of `span`
    positions along each axis of the grid, which may overlap and reach over its border; one of them may be cut.

    Args:
        view: One view of each sample, see `views.crop`.
        grid: Positions along each axis; P, their product, is at least 2.
        share: Part of the positions that is hidden, in (0, 1).
        span: Positions of a block along each axis, from 1 to the shortest axis.

    Raises:
        UserError: An argument is out of range.
    """

    def __init__(self, view: Views, grid: Sequence[int], share: float, span: int) -> None:
        self.view, self.grid, self.span = view, tuple(grid), span
        positions = math.prod(self.grid)
        if positions < 2:
            raise UserError("of a sample with a single position none can be hidden: use smaller patches or strides")
        if not 0 < share < 1 or not 1 <= span <= min(self.grid):
            raise UserError(
                f"share must be greater than 0 and less than 1, and span from 1 to {min(self.grid)}, the positions of "
                f"a sample along an axis, not {share} and {span}"
            )
        self.count = min(max(round(share * positions), 1), positions - 1)

    def bind(self, source: Source) -> Source:
        """Return what the view makes of it."""
        return self.view.bind(source)

    def unused(self) -> dict[str, str]:
        """Return those of the view."""
        return self.view.unused()

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of the view, and "hide", bool [B, P]."""
        return {**self.view.sample(index, epoch, seed), "hide": self.hidden(index, epoch, seed)}

    def hidden(self, index: Index, epoch: int, seed: int) -> NDArray[np.bool_]:
        """Return which positions are hidden, bool [B, P]: blocks come at random times until there are enough."""
        blocks = tuple(n + self.span - 1 for n in self.grid)  # those that hold a position of the grid
        u = uniforms(seed, STREAM, np.asarray(index, np.int64), epoch, np.zeros(1, np.int64), math.prod(blocks))
        first = u.reshape(len(u), *blocks)
        for axis in range(1, first.ndim):  # when the first of the blocks that cover a position comes
            first = sliding_window_view(first, self.span, axis).min(-1)
        first = first.reshape(len(u), -1)
        order = first.argsort(1, kind="stable")
        found = np.zeros(first.shape, np.bool_)
        np.put_along_axis(found, order[:, : self.count], True, 1)
        return found

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        batch = self.view.apply(raw, {key: x for key, x in params.items() if key != "hide"}, device)
        sample, masks = given(batch)
        beside = {key: batch[key] for key in BESIDE if key in batch}
        return {"sample": sample, **masks, "hide": torch.from_numpy(params["hide"]).to(device), **beside}
