"""Patches on a grid: each view of an image, cut into squares that may overlap, touch or leave gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.errors import UserError
from selftaught.kernels.patches import cut
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.views.augmentation import Augment
from selftaught.views.batched import resampling
from selftaught.views.image import ImageViews

__all__ = ["Contrast", "Grid", "PatchViews", "cut_torch"]

Contrast = Literal["whole", "patch", "channel"]

_STREAM = 0x70617463686573  # separates the patches' random numbers from other views'
_NOISE = 0x706174636865736E
_OPPONENT = np.array([-1.0, 2.0, -1.0])  # green against magenta
_COARSEST = 3  # the smallest number of pixels that a coarse patch is shrunk to is the side divided by this
_EPSILON = 1e-3  # of a patch's standard deviation, where the images' is 1


@final
@dataclass(frozen=True)
class Grid:
    """A centred grid of patches in an image, and the augmentation of each patch.

    The arguments below `count` hide what would give the place of a patch away without a look at its content.

    Args:
        size: Side of a patch in pixels.
        stride: Pixels from one patch to the next. Less than `size` gives overlap, more leaves gaps.
        jitter: Largest random shift of each patch in pixels, uniform in both directions. The grid leaves this margin at
            the edge of the image.
        flip: Probability of a horizontal flip of a patch.
        drop: Probability of dropping two of the three colours of a patch: they are set to the mean (0 after
            normalisation), as in CPC v2 after Doersch, Gupta, Efros 2015. Only for images with three channels.
        count: Number of rows and of columns. 0 = as many as fit.
        split: Largest random shift of each colour of a patch beside that of the patch, in pixels, against chromatic
            aberration. It adds to the margin. Only for images with three channels.
        project: Remove the axis from green to magenta from every pixel, which lenses displace towards the edge of a
            photograph: with a = (-1, 2, -1), multiply by I - a a^T / a^T a. Only for images with three channels.
        noise: Standard deviation of the noise in dropped colours, in units of that of the colour that is kept.
        coarse: Probability of shrinking a patch to a random side, at least a third of its own, and enlarging it again.
        contrast: What has mean 0 and a standard deviation of 1. whole: the data set, as for whole images. patch: each
            patch, with the mean taken from each colour and one standard deviation for all. channel: each colour of
            each patch.
    """

    size: int
    stride: int
    jitter: int = 0
    flip: float = 0.0
    drop: float = 0.0
    count: int = 0
    split: int = 0
    project: bool = False
    noise: float = 0.0
    coarse: float = 0.0
    contrast: Contrast = "whole"

    def __post_init__(self) -> None:
        """Raises UserError for a value out of range."""
        if self.size < 1 or self.stride < 1 or min(self.jitter, self.split, self.count) < 0:
            given = f"{self.size}, {self.stride} and {self.jitter}"
            raise UserError(f"patches need a size and a stride of at least 1 and a jitter of at least 0, not {given}")
        if not (0 <= self.flip <= 1 and 0 <= self.drop <= 1 and 0 <= self.coarse <= 1):
            given = f"{self.flip}, {self.drop} and {self.coarse}"
            raise UserError(f"a patch's flip, drop and coarse must be probabilities in [0, 1], not {given}")
        if self.noise < 0 or self.contrast not in get_args(Contrast):
            raise UserError(
                f"a patch's noise must be at least 0 and its contrast one of {', '.join(get_args(Contrast))}, not "
                f"{self.noise} and '{self.contrast}'"
            )

    def places(self, side: int) -> NDArray[np.int64]:
        """Return the first pixel of each row (and column) of patches, without jitter, in an image of `side` pixels.

        Raises UserError when no patch fits, or fewer than `count`.
        """
        margin = self.jitter + self.split
        room = side - 2 * margin - self.size
        if room < 0:
            raise UserError(
                f"a patch of {self.size} pixels with a jitter of {margin} does not fit into an image of {side} pixels"
            )
        fit = room // self.stride + 1
        if self.count > fit:
            needs = 2 * margin + self.size + (self.count - 1) * self.stride
            raise UserError(
                f"{self.count} x {self.count} patches of {self.size} pixels every {self.stride} with a jitter of "
                f"{margin} need images of at least {needs} pixels, not {side}"
            )
        count = self.count or fit
        return margin + (room - (count - 1) * self.stride) // 2 + self.stride * np.arange(count)


@final
class PatchViews(Views):
    """One view of each image, cut into patches: "patches" is float32 [B, rows, columns, C, p, p], normalised.

    "label" and "index" pass through. The image view has the random parameters of `ImageViews`; each patch has its own.

    Args:
        input: The input of an encoder's spec, as for `ImageViews`.
        augment: The augmentation of the whole image, before it is cut.
        grid: The grid of patches.
    """

    def __init__(self, input: Mapping[str, Any], augment: Augment, grid: Grid) -> None:
        """Raises UserError when the patches do not fit into the view."""
        self.image = ImageViews(input, image=augment)
        self.grid = grid
        self.channels = int(input["channels"])
        places = grid.places(self.image.sides[0])
        self.rows = len(places)
        self.corners = np.stack(np.meshgrid(places, places, indexing="ij"), -1).reshape(-1, 2)  # [rows * columns, 2]
        coloured = self.channels == 3
        self.split, self.drop = (grid.split, grid.drop) if coloured else (0, 0.0)
        self.projection = _projection(input) if coloured and grid.project else None
        self.coarser = _coarser(grid.size) if grid.coarse else None

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of the image and of its patches, row by row.

        "corner" int64 [B, P, 2]: first row and column; "mirror" bool [B, P]; "keep" int64 [B, P]: the only colour that
        is kept, or -1 for all. Where the grid has them, "shift" int64 [B, P, C, 2]: rows and columns by which each
        colour is shifted; "level" int64 [B, P]: side that a patch is shrunk to, or its own; "noise" float32 [B, P, C,
        p, p] in [0, 1).
        """
        places = np.arange(len(self.corners))
        shifts = 2 * self.channels if self.split else 0
        u = uniforms(seed, _STREAM, index, epoch, places, 5 + shifts)  # [B, P, 5 + shifts]
        size, reach, dropped = self.grid.size, self.grid.jitter, u[:, :, 3] < self.drop
        params = {
            **self.image.sample(index, epoch, seed),
            "corner": self.corners + (u[:, :, :2] * (2 * reach + 1)).astype(np.int64) - reach,
            "mirror": u[:, :, 2] < self.grid.flip,
            "keep": np.where(dropped, (3 * u[:, :, 3] / (self.drop or 1)).astype(np.int64), -1),
        }
        if self.split:
            shift = (u[:, :, 5:] * (2 * self.split + 1)).astype(np.int64) - self.split
            params["shift"] = shift.reshape(*shift.shape[:2], self.channels, 2)
        if self.grid.coarse:
            coarsest, chosen = -(-size // _COARSEST), u[:, :, 4] / self.grid.coarse
            params["level"] = np.where(chosen < 1, coarsest + (chosen * (size - coarsest)).astype(np.int64), size)
        if self.grid.noise and self.drop:
            noise = uniforms(seed, _NOISE, index, epoch, places, self.channels * size**2, np.float32)
            params["noise"] = noise.reshape(*noise.shape[:2], self.channels, size, size)
        return params

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the patches on `device`, cut by the compiled kernel on a CPU and by torch on other devices."""
        own = ("corner", "mirror", "keep", "shift", "level", "noise")
        batch = self.image.apply(raw, {k: v for k, v in params.items() if k not in own}, device)
        images, (corner, mirror, keep) = batch.pop("image"), (params[k] for k in own[:3])
        if self.projection is not None:
            turn, offset = (t.to(images.device) for t in self.projection)
            images = (turn @ images.flatten(2) + offset).view_as(images)
        first = np.empty((*keep.shape, self.channels, 2), np.int64)
        first[:] = corner[:, :, None]
        if "shift" in params:
            first += params["shift"]
        if images.device.type == "cpu":
            size = self.grid.size
            cut_out = np.empty((len(images), len(self.corners), self.channels, size, size), np.float32)
            cut(images.contiguous().numpy(), first, mirror, keep, cut_out)
            patches = torch.from_numpy(cut_out)
        else:
            patches = cut_torch(images, self.grid.size, first, mirror, keep)
        return {**batch, "patches": self._finished(patches, params).unflatten(1, (self.rows, self.rows))}

    def _finished(self, patches: Tensor, params: Params) -> Tensor:
        """Coarsen patches [B, P, C, p, p], put noise into dropped colours and set the contrast; on any device."""
        device = patches.device
        if self.coarser is not None:
            level = torch.from_numpy(params["level"]).to(device)
            chosen = (level < self.grid.size).nonzero(as_tuple=True)
            turn = self.coarser.to(device)[level[chosen]][:, None]  # [n, 1, p, p]
            patches[chosen] = turn @ patches[chosen] @ turn.mT
        if "noise" in params:
            dropped = torch.from_numpy(params["keep"] >= 0).nonzero(as_tuple=True)
            keep = torch.from_numpy(params["keep"])[dropped].to(device)
            noise = torch.from_numpy(params["noise"])[dropped].to(device)
            dropped = tuple(d.to(device) for d in dropped)
            alone = patches[dropped]  # [n, C, p, p]
            spread = alone.std((2, 3), correction=0).amax(1)[:, None, None, None] * self.grid.noise
            own = torch.arange(self.channels, device=device) == keep[:, None]  # [n, C]
            patches[dropped] = alone + ~own[:, :, None, None] * spread * 12**0.5 * (noise - 0.5)
        if self.grid.contrast != "whole":
            patches = patches - patches.mean((3, 4), keepdim=True)
            axes = (3, 4) if self.grid.contrast == "channel" else (2, 3, 4)
            patches = patches / (patches.square().mean(axes, keepdim=True).sqrt() + _EPSILON)
        return patches


def _projection(input: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Return the matrix [3, 3] and the offset [3, 1] that remove the axis from green to magenta from normalised pixels.

    The projection is that of pixels in [0, 1].
    """
    mean, std = np.asarray(input["mean"], np.float64), np.asarray(input["std"], np.float64)
    onto = np.eye(3) - np.outer(_OPPONENT, _OPPONENT) / (_OPPONENT @ _OPPONENT)
    turn, offset = onto * std / std[:, None], ((onto - np.eye(3)) @ mean / std)[:, None]
    return torch.from_numpy(turn.astype(np.float32)), torch.from_numpy(offset.astype(np.float32))


def _coarser(size: int) -> Tensor:
    """Return for each side r up to `size` the matrix that shrinks `size` pixels to r and enlarges them again.

    float32 [size + 1, size, size]; that of 0 is not used.
    """
    found = torch.zeros(size + 1, size, size)
    for r in range(1, size + 1):
        down = resampling(torch.tensor([[size, r, 0, 0]]), r, size)[0]
        found[r] = resampling(torch.tensor([[r, size, 0, 0]]), size, r)[0] @ down
    return found


def cut_torch(
    images: Tensor, size: int, corner: NDArray[np.int64], mirror: NDArray[np.bool_], keep: NDArray[np.int64]
) -> Tensor:
    """Do the same as `kernels.patches.cut` in plain torch on any device: [B, C, H, W] to [B, P, C, size, size]."""
    first, turned, only = (torch.from_numpy(a).to(images.device) for a in (corner, mirror, keep))
    offset = torch.arange(size, device=images.device)
    y = first[..., :1] + offset  # [B, P, C, p]
    x = first[..., 1:] + torch.where(turned[:, :, None, None], size - 1 - offset, offset)
    sample = torch.arange(len(images), device=images.device).view(-1, 1, 1, 1, 1)
    channel = torch.arange(images.shape[1], device=images.device)
    patches = images[sample, channel[:, None, None], y[..., :, None], x[..., None, :]]  # [B, P, C, p, p]
    kept = (only[:, :, None] < 0) | (only[:, :, None] == channel)  # [B, P, C]
    return patches * kept[:, :, :, None, None]
