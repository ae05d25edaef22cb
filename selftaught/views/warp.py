"""Strongly transformed copies of a part of each image: shifts, scales, turns, contrast and colour, on any device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.kernels import warp as kernel
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.views.augmentation import Augment
from selftaught.views.image import ImageViews

__all__ = ["Warp", "WarpViews", "axes", "busiest"]

Array = NDArray[Any]

_STREAM, _PLACE = 0x77617270, 0x7761727020  # separate these random numbers from other views'
_NUMBERS = 12
_SMOOTH = 1e-6  # added to the energy of each place, so that blank images have places too


@final
@dataclass(frozen=True)
class Warp:
    """The families of transformations of Dosovitskiy et al. 2014. Each is drawn uniformly and by itself.

    Args:
        shift: Largest shift in both directions, as a share of the side of the patch.
        scale: Largest factor by which the patch is enlarged or shrunk, at least 1; drawn on a logarithmic scale.
        turn: Largest rotation in degrees, in both directions.
        contrast: Largest factor, and 1 over the smallest, of each principal component of the pixels' colours.
        colour: Strength of the changes in HSV: saturation and value to the power of 4^-c to 4^c, times 1 - .3 c to 1 +
            .4 c, plus -.1 c to .1 c; hue plus -.1 c to .1 c turns. Grey images have a value alone.
        flip: Probability of a horizontal flip.
    """

    shift: float = 0.2
    scale: float = 1.4
    turn: float = 20.0
    contrast: float = 2.0
    colour: float = 1.0
    flip: float = 0.0

    def __post_init__(self) -> None:
        """Raises UserError for a value out of range."""
        if min(self.shift, self.turn, self.colour) < 0 or min(self.scale, self.contrast) < 1 or not 0 <= self.flip <= 1:
            raise UserError(
                "shift, turn and colour must be at least 0, scale and contrast at least 1 and flip in [0, 1], not "
                f"{self.shift}, {self.turn}, {self.colour}, {self.scale}, {self.contrast} and {self.flip}"
            )


@final
class WarpViews(Views):
    """Copies of one patch of each image: "views" is a list of `copies` float32 [B, C, S, S], normalised.

    The patch is a square of S pixels in the image resized to S / `part` pixels. Its place is drawn once for each sample
    and seed, with a probability in proportion to the mean squared gradient inside, so that blank regions are rare.
    Copies may show what lies around the patch; beyond the image its edge is mirrored. "label" and "index" pass through.

    `components`, float64 [C, C] (columns), are the principal axes of the pixels' colours, for the contrast.
    """

    def __init__(self, input: Mapping[str, Any], warp: Warp, copies: int, part: float) -> None:
        """Raises UserError for a part out of (0, 1]."""
        if not 0 < part <= 1:
            raise UserError(f"a patch must be a part of the image in (0, 1], not {part}")
        self.side, self.channels = int(input["size"]), int(input["channels"])
        self.canvas = ImageViews(input, image=Augment(size=max(round(self.side / part), self.side)))
        self.warp, self.copies = warp, copies
        self.components = np.eye(self.channels)
        self.mean, self.std = (torch.tensor(input[key]).view(-1, 1, 1) for key in ("mean", "std"))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters: "spot" float64 [B], "affine" float64 [B, V, 2, 3], "colours" and "tone".

        "spot" decides the place of the patch, the same in all epochs. "affine" maps coordinates of a copy, -1 to 1, to
        those of the patch. "colours" float64 [B, V, C] are factors of the principal components. "tone" float64 [B, V,
        7] are power, factor and addition of saturation, those of value, and the turn of the hue.
        """
        w, c = self.warp, self.warp.colour
        u = uniforms(seed, _STREAM, index, epoch, np.arange(self.copies), _NUMBERS + self.channels) * 2 - 1
        zoom, angle = w.scale ** u[..., 0], np.radians(w.turn) * u[..., 1]
        mirror = np.where(u[..., 2] < 2 * w.flip - 1, -1.0, 1.0)
        cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
        affine = np.stack([
            np.stack([mirror * cosine, -sine, 2 * w.shift * u[..., 3]], -1),
            np.stack([mirror * sine, cosine, 2 * w.shift * u[..., 4]], -1),
        ], -2)  # fmt: skip
        power = 4.0 ** (c * u[..., 5:7])
        factor = 1 + c * (0.05 + 0.35 * u[..., 7:9])
        shift = 0.1 * c * u[..., 9:11]
        hue = 0.1 * c * u[..., _NUMBERS - 1 : _NUMBERS] if self.channels == 3 else shift[..., :1] * 0
        tone = np.stack([power, factor, shift], -1).reshape(*power.shape[:2], 6)
        return {
            **self.canvas.sample(index, epoch, seed),
            "spot": uniforms(seed, _PLACE, index, 0, np.arange(1), 1)[:, 0, 0],
            "affine": affine,
            "colours": w.contrast ** u[..., _NUMBERS:],
            "tone": np.concatenate([tone, hue], -1),
        }

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the copies on `device`, computed by the compiled kernel on a CPU and by torch on other devices."""
        own = ("spot", "affine", "colours", "tone")
        batch = self.canvas.apply(raw, {k: v for k, v in params.items() if k not in own}, device)
        canvas = batch.pop("image")
        make = self.compiled if canvas.device.type == "cpu" else self.batched
        return {**batch, "views": make(canvas, *(params[k] for k in own))}

    def compiled(self, canvas: Tensor, spot: Array, affine: Array, colours: Array, tone: Array) -> list[Tensor]:
        """Return the copies of canvases [B, C, P, P], by the kernel."""
        images, single = np.ascontiguousarray(canvas.numpy()), np.float32
        corner = np.empty((len(images), 2), np.int64)
        kernel.busiest(images, self.side, spot.astype(single), _SMOOTH, corner)
        turn = np.einsum("ij,bvj,kj->bvik", self.components, colours, self.components).astype(single)
        out = np.empty((self.copies, len(images), self.channels, self.side, self.side), single)
        mean, std = (t.flatten().numpy() for t in (self.mean, self.std))
        changes = self.warp.contrast > 1, self.warp.colour > 0
        kernel.copies(images, corner, affine, turn, tone.astype(single), mean, std, *changes, out)
        return list(torch.from_numpy(out))

    def batched(self, canvas: Tensor, spot: Array, affine: Array, colours: Array, tone: Array) -> list[Tensor]:
        """Return the same in plain torch on any device."""
        spot_, affine_, colours_, tone_ = (
            torch.from_numpy(a).to(canvas.device, torch.float32) for a in (spot, affine, colours, tone)
        )
        corner = busiest(canvas, self.side, spot_)  # [B, 2]
        share = self.side / canvas.shape[2]
        middle = (2 * corner + self.side) / canvas.shape[2] - 1  # of the patch, in the canvas's -1 to 1: y, x
        views = []
        for v in range(self.copies):
            theta = affine_[:, v] * share
            theta[:, :, 2] += middle.flip(1)
            grid = F.affine_grid(theta, [len(canvas), self.channels, self.side, self.side], align_corners=False)
            copies = F.grid_sample(canvas, grid, padding_mode="reflection", align_corners=False)
            views.append(self._recoloured(copies, colours_[:, v], tone_[:, v]))
        return views

    def _recoloured(self, copies: Tensor, colours: Tensor, tone: Tensor) -> Tensor:
        mean, std = self.mean.to(copies.device), self.std.to(copies.device)
        pixels = copies * std + mean
        if self.warp.contrast > 1:
            onto = torch.from_numpy(self.components).to(copies)  # [C, C]
            turn = onto @ (colours[:, :, None] * onto.T)  # [B, C, C]
            middle = pixels.mean((2, 3), keepdim=True)
            pixels = middle + (turn @ (pixels - middle).flatten(2)).view_as(pixels)
        if self.warp.colour:
            pixels = toned(pixels.clamp(0, 1), tone)
        return (pixels.clamp(0, 1) - mean) / std


def toned(pixels: Tensor, tone: Tensor) -> Tensor:
    """Change saturation, value and hue of pixels [B, C, H, W] in [0, 1] by tone [B, 7], see `WarpViews.sample`.

    Other than three channels have a value alone: their own.
    """
    parts = tone[:, :, None, None, None].unbind(1)
    if pixels.shape[1] != 3:
        return _changed(pixels, parts[3], parts[4], parts[5])
    value, which = pixels.max(1, keepdim=True)
    chroma = value - pixels.amin(1, keepdim=True)
    sector = (pixels.roll(-1, 1) - pixels.roll(-2, 1)) / torch.where(chroma > 0, chroma, 1)
    hue = sector.gather(1, which) + 2 * which + 6 * parts[6]
    saturation = _changed(chroma / torch.where(value > 0, value, 1), *parts[:3]) * (chroma > 0)
    value = _changed(value, *parts[3:6])
    k = torch.remainder(hue + torch.tensor((5.0, 3.0, 1.0), device=pixels.device).view(1, 3, 1, 1), 6)
    return value * (1 - saturation * torch.minimum(k, 4 - k).clamp(0, 1))


def _changed(x: Tensor, power: Tensor, factor: Tensor, shift: Tensor) -> Tensor:
    return (x**power * factor + shift).clamp(0, 1)


def busiest(images: Tensor, side: int, spot: Tensor) -> Tensor:
    """Return the first row and column of a square in each image [B, C, H, W], int64 [B, 2].

    Squares of `side` pixels are drawn in proportion to their mean squared gradient; spot [B] in [0, 1) decides.
    """
    down, across = images[:, :, 1:, :-1] - images[:, :, :-1, :-1], images[:, :, :-1, 1:] - images[:, :, :-1, :-1]
    energy = F.pad((down.square() + across.square()).sum(1), (1, 1, 1, 1)).double()  # [B, H + 1, W + 1]
    total = energy.cumsum(1).cumsum(2)  # [y, x] is the sum of what lies above and to the left of pixel (y, x)
    inside = total[:, side:, side:] - total[:, side:, :-side] - total[:, :-side, side:] + total[:, :-side, :-side]
    chance = (inside.clamp(min=0) + _SMOOTH).flatten(1).cumsum(1)
    drawn = torch.searchsorted(chance, spot.double()[:, None] * chance[:, -1:], right=True)[:, 0]
    drawn = drawn.clamp(max=chance.shape[1] - 1)
    columns = inside.shape[2]
    return torch.stack([drawn // columns, drawn % columns], 1)


def axes(pixels: Tensor) -> Array:
    """Return the principal axes of colours [N, C] as columns, float64 [C, C]."""
    centred = (pixels - pixels.mean(0)).double().cpu().numpy()
    found: Array = np.linalg.eigh(centred.T @ centred / max(len(centred), 1))[1]
    return found[:, ::-1].copy()
