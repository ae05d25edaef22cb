"""Views of images in a colour space, and the bins of their colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from selftaught.kernels import colour as kernel
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.parts.colour import SPACES, to_white
from selftaught.parts.colour_bins import ColourBins
from selftaught.source import Source, evenly
from selftaught.views.augmentation import Augment
from selftaught.views.image import ImageViews

__all__ = ["ColourViews", "census", "pictures", "to_lab"]

_STREAM = 0x706C61636573  # separates the locations from other views' random numbers
COUNTED = 2048
"""Images whose colours are counted."""


@final
class ColourViews(Views):
    """One view of each image in a colour space: "channels" is float32 [B, C, S, S], in the units of the space.

    With `bins`, "near" and "share" are the bins of the colours, averaged to side x side positions: int64 and float32
    [B, K, side, side], see `ColourBins.encode`; the space must be Lab. With `locations`, "location" has the row and the
    column of N random pixels of each image, int64 [B, N, 2]. "label" and "index" pass through.

    Args:
        input: The input of an encoder's spec, as for `ImageViews`.
        space: A name of `parts.colour.SPACES`.
        augment: The augmentation of the image, before it is converted.
        bins: The bins of ab, or None.
        side: Positions of the bins along each side.
        locations: Number N.
    """

    def __init__(
        self,
        input: Mapping[str, Any],
        space: str,
        augment: Augment,
        bins: ColourBins | None = None,
        side: int = 1,
        locations: int = 0,
    ) -> None:
        self.image, self.space, self.bins, self.side = ImageViews(input, image=augment), space, bins, side
        self.locations = locations
        self.mean, self.std = (torch.tensor(input[key], dtype=torch.float32) for key in ("mean", "std"))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of the image's view, and the locations."""
        params = self.image.sample(index, epoch, seed)
        if self.locations:
            u = uniforms(seed, _STREAM, index, epoch, np.arange(self.locations), 2)  # [B, N, 2]
            params["location"] = (u * self.image.sides[0]).astype(np.int64)
        return params

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`, computed by compiled kernels on a CPU and by torch on other devices."""
        batch = self.image.apply(raw, {name: p for name, p in params.items() if name != "location"}, device)
        if self.locations:
            batch["location"] = torch.from_numpy(params["location"]).to(device)
        image = batch.pop("image")
        if self.space == "Lab":
            channels = to_lab(image, self.mean, self.std)
        else:
            pixels = image * self.std.to(device).view(-1, 1, 1) + self.mean.to(device).view(-1, 1, 1)
            channels = SPACES[self.space].convert(pixels.clamp_(0, 1))
        batch["channels"] = channels
        if self.bins is not None:
            batch["near"], batch["share"] = nearest(self.bins, F.adaptive_avg_pool2d(channels[:, 1:], self.side))
        return batch


def to_lab(image: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Convert normalised images float32 [B, 3, H, W] to Lab, by the compiled kernel on a CPU and by torch elsewhere."""
    if image.device.type != "cpu":
        pixels = image * std.to(image.device).view(-1, 1, 1) + mean.to(image.device).view(-1, 1, 1)
        return SPACES["Lab"].convert(pixels.clamp_(0, 1))
    out = np.empty((len(image), 3, image[0, 0].numel()), np.float32)
    kernel.lab(image.flatten(2).contiguous().numpy(), std.numpy(), mean.numpy(), to_white(), out)
    return torch.from_numpy(out).view(image.shape)


def nearest(bins: ColourBins, ab: Tensor) -> tuple[Tensor, Tensor]:
    """Do what ``bins.encode`` does with float32 [B, 2, h, w], by the compiled kernel on a CPU."""
    if ab.device.type != "cpu":
        return bins.encode(ab)
    squares, shape = bins.squares(), (len(ab), bins.neighbours, ab[0, 0].numel())
    near, share = np.empty(shape, np.int64), np.empty(shape, np.float32)
    centres = bins.centres.cpu().double().numpy()
    kernel.nearest(
        ab.flatten(2).contiguous().numpy(), float(bins.step), squares.least, squares.start, squares.candidates, centres,
        bins.sigma, near, share,
    )  # fmt: skip
    size = (len(ab), bins.neighbours, *ab.shape[2:])
    return torch.from_numpy(near).view(size), torch.from_numpy(share).view(size)


def census(views: ColourViews, source: Source) -> tuple[Tensor, Tensor]:
    """Count the channels of evenly spaced images, at most `COUNTED`, as the first epoch of seed 0 sees them.

    Returns their mean, float64 [C], and how often each bin is the nearest of a position, int64 [Q] (empty without
    bins).
    """
    index, means = evenly(len(source), COUNTED), []
    counts = torch.zeros(0 if views.bins is None else len(views.bins), dtype=torch.int64)
    for part in np.array_split(index, -(-len(index) // 128)):
        batch = views.apply(source.fetch(part), views.sample(part, 0, 0), torch.device("cpu"))
        means.append(batch["channels"].double().mean((2, 3)))
        if views.bins is not None:
            counts += torch.bincount(batch["near"][:, 0].flatten(), minlength=len(counts))
    return torch.cat(means).mean(0), counts


def pictures(space: str, channels: Tensor) -> list[NDArray[np.uint8]]:
    """Return pictures of channels [B, C, S, S] of a space, uint8 [S, S, 3] each; a fourth channel is left out."""
    pixels = SPACES[space].invert(channels.detach())[:, :3].clamp(0, 1) * 255
    return list(pixels.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy())
