"""Images with a hole: a square in the centre, or a random region with smooth borders."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.views.augmentation import Augment
from selftaught.views.image import ImageViews

Region = Literal["centre", "random"]

STREAM = 0x686F6C65  # separates the holes from other views' random numbers
CELLS = 8
"""Cells of the random pattern along a side: .06 of 128 pixels in the authors' code."""


def centre(size: int, side: float) -> slice:
    """Return the rows (and columns) of a square hole in the middle, `side` of the image's `size` pixels long.

    Raises UserError if the hole is empty or as large as the image.
    """
    hole = round(size * side)
    if not 0 < hole < size:
        what = "as large as the image" if hole >= size else "of no pixel"
        raise UserError(
            f"a hole of {side:g} of the side is {what} of {size} x {size} pixels: use a side greater than 0 and less "
            "than 1, such as 0.5"
        )
    first = (size - hole) // 2
    return slice(first, first + hole)


def regions(noise: NDArray[np.float64], share: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """Return random regions, bool [B, size, size]: the lowest part of a smooth random pattern.

    The pattern is `noise`, uniform numbers [B, CELLS, CELLS], enlarged by cubic interpolation. The region has exactly
    round(share * size^2) pixels; share is [B].
    """
    enlarge = _cubic(size)
    pattern = (enlarge @ (noise @ enlarge.T)).reshape(len(noise), -1)  # one product a sample: independent of the batch
    count = np.round(share * size**2).astype(np.int64)
    highest = np.sort(pattern, 1)[np.arange(len(noise)), count - 1]
    return (pattern <= highest[:, None]).reshape(-1, size, size)


@cache
def _cubic(size: int) -> NDArray[np.float64]:
    """Return the matrix [size, CELLS] of cubic interpolation with repeated borders (Keys 1981, a = -1/2)."""
    place = (np.arange(size) + 0.5) * CELLS / size - 0.5
    cell = np.floor(place).astype(np.int64)[:, None] + np.arange(-1, 3)  # [size, 4]
    far = np.abs(place[:, None] - cell)
    near = (1.5 * far - 2.5) * far**2 + 1
    weight = np.where(far <= 1, near, ((-0.5 * far + 2.5) * far - 4) * far + 2)
    matrix = np.zeros((size, CELLS))
    np.add.at(matrix, (np.arange(size)[:, None], cell.clip(0, CELLS - 1)), weight)
    return matrix


@final
class Holes(Views):
    """Views "image", normalised, and "hole", bool [B, 1, S, S]: True where pixels are removed.

    Args:
        input: The input of an encoder's spec, as for `ImageViews`.
        augment: The augmentation of the image.
        region: centre, the same square for every image, or random, another region for each image in every epoch.
        side: Side of the square, as a fraction of the image's.
        share: Least and largest share of the pixels in a random region.
    """

    def __init__(
        self, input: Mapping[str, Any], augment: Augment, region: Region, side: float, share: tuple[float, float]
    ) -> None:
        """Raises UserError if the hole is empty or as large as the image."""
        self.image, self.size = ImageViews(input, image=augment), int(input["size"])
        least, most = (round(part * self.size**2) for part in share)
        if region == "random" and not 0 < least <= most < self.size**2:
            raise UserError(
                "the share of pixels in a random hole must be two numbers greater than 0 and less than 1, the smaller "
                f"one first, not {share[0]:g} and {share[1]:g}: a hole as large as the image leaves nothing to see"
            )
        self.region, self.share = region, share
        self.square = np.zeros((self.size, self.size), bool)
        if region == "centre":
            rows = centre(self.size, side)
            self.square[rows, rows] = True

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the image view's parameters and "hole", bool [B, S, S]."""
        params = self.image.sample(index, epoch, seed)
        if self.region == "centre":
            return {**params, "hole": np.broadcast_to(self.square, (len(index), self.size, self.size))}
        u = uniforms(seed, STREAM, index, epoch, np.arange(1), CELLS**2 + 1)[:, 0]
        share = self.share[0] + (self.share[1] - self.share[0]) * u[:, -1]
        return {**params, "hole": regions(u[:, :-1].reshape(-1, CELLS, CELLS), share, self.size)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        batch = self.image.apply(raw, {k: v for k, v in params.items() if k != "hole"}, device)
        return {**batch, "hole": torch.from_numpy(params["hole"].copy()).to(device)[:, None]}
