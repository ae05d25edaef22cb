"""Patches on a grid: each view of an image, cut into squares that overlap, touch or leave gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.errors import UserError
from selftaught.kernels.patches import cut
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.views.augment import Augment
from selftaught.views.image import ImageViews

__all__ = ["Grid", "PatchViews", "cut_torch"]

_STREAM = 0x70617463686573  # keeps the patches' random numbers apart from other views'


@final
@dataclass(frozen=True)
class Grid:
    """As many rows and columns of patches as fit into an image, centred; and what happens to each patch on its own.

    Args:
        size: Side of a patch in pixels.
        stride: Pixels from one patch to the next: less than `size` overlaps, more leaves gaps.
        jitter: Each patch is moved by up to so many pixels, up or down and left or right, every whole number as likely.
            The grid leaves that much room at the image's edge.
        flip: Probability of a mirror image of a patch.
        drop: Probability of dropping two of the three colours of a patch: they become the mean (0 once normalised), as
            in CPC v2 after Doersch, Gupta, Efros 2015. Images without exactly three channels are left as they are.
    """

    size: int
    stride: int
    jitter: int = 0
    flip: float = 0.0
    drop: float = 0.0

    def __post_init__(self) -> None:
        """Raises UserError for a value out of range."""
        if self.size < 1 or self.stride < 1 or self.jitter < 0:
            given = f"{self.size}, {self.stride} and {self.jitter}"
            raise UserError(f"patches need a size and a stride of at least 1 and a jitter of at least 0, not {given}")
        if not (0 <= self.flip <= 1 and 0 <= self.drop <= 1):
            raise UserError(f"a patch's flip and drop must be probabilities in [0, 1], not {self.flip} and {self.drop}")

    def places(self, side: int) -> NDArray[np.int64]:
        """The first pixel of each row (and of each column) of patches, without jitter, in an image of `side` pixels.

        Raises UserError when not even one patch fits.
        """
        room = side - 2 * self.jitter - self.size
        if room < 0:
            raise UserError(
                f"a patch of {self.size} pixels with a jitter of {self.jitter} does not fit into an image of "
                f"{side} pixels"
            )
        return self.jitter + room % self.stride // 2 + self.stride * np.arange(room // self.stride + 1)


@final
class PatchViews(Views):
    """One view of each image, cut into patches: "patches" is float32 [B, rows, columns, C, p, p], normalised.

    "label" and "index" pass through. The image view's random parameters are those of `ImageViews`; each patch has its
    own.

    Args:
        input: Of an encoder's spec, as `ImageViews` takes it.
        augment: What happens to the whole image first.
        grid: How it is cut.
    """

    def __init__(self, input: Mapping[str, Any], augment: Augment, grid: Grid) -> None:
        """Raises UserError when no patch fits into the view."""
        self.image = ImageViews(input, image=augment)
        self.grid = grid
        self.channels = int(input["channels"])
        places = grid.places(self.image.sides[0])
        self.rows = len(places)
        self.corners = np.stack(np.meshgrid(places, places, indexing="ij"), -1).reshape(-1, 2)  # [rows * columns, 2]

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """The image's parameters, and of its patches, row by row.

        "corner" int64 [B, P, 2]: first row and column; "mirror" bool [B, P]; "keep" int64 [B, P]: the only colour, or
        -1 for all.
        """
        u = uniforms(seed, _STREAM, index, epoch, np.arange(len(self.corners)), 4)  # [B, P, 4]
        reach, drop = self.grid.jitter, self.grid.drop if self.channels == 3 else 0.0
        dropped = u[:, :, 3] < drop
        return {
            **self.image.sample(index, epoch, seed),
            "corner": self.corners + (u[:, :, :2] * (2 * reach + 1)).astype(np.int64) - reach,
            "mirror": u[:, :, 2] < self.grid.flip,
            "keep": np.where(dropped, (3 * u[:, :, 3] / (drop or 1)).astype(np.int64), -1),
        }

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """The patches on `device`: by the compiled kernel for a CPU, by torch elsewhere."""
        own = ("corner", "mirror", "keep")
        batch = self.image.apply(raw, {k: v for k, v in params.items() if k not in own}, device)
        images, (corner, mirror, keep) = batch.pop("image"), (params[k] for k in own)
        if images.device.type == "cpu":
            size = self.grid.size
            patches = np.empty((len(images), len(self.corners), self.channels, size, size), np.float32)
            cut(images.numpy(), corner, mirror, keep, patches)
            cut_out = torch.from_numpy(patches)
        else:
            cut_out = cut_torch(images, self.grid.size, corner, mirror, keep)
        return {**batch, "patches": cut_out.unflatten(1, (self.rows, self.rows))}


def cut_torch(
    images: Tensor, size: int, corner: NDArray[np.int64], mirror: NDArray[np.bool_], keep: NDArray[np.int64]
) -> Tensor:
    """What `kernels.patches.cut` writes, by plain torch on any device: [B, C, H, W] to [B, P, C, size, size]."""
    first, turned, only = (torch.from_numpy(a).to(images.device) for a in (corner, mirror, keep))
    offset = torch.arange(size, device=images.device)
    y = first[:, :, :1] + offset  # [B, P, p]
    x = first[:, :, 1:] + torch.where(turned[:, :, None], size - 1 - offset, offset)
    sample = torch.arange(len(images), device=images.device).view(-1, 1, 1, 1)
    patches = images[sample, :, y[:, :, :, None], x[:, :, None, :]].movedim(-1, 2)  # [B, P, C, p, p]
    channel = torch.arange(images.shape[1], device=images.device)
    kept = (only[:, :, None] < 0) | (only[:, :, None] == channel)  # [B, P, C]
    return patches * kept[:, :, :, None, None]
