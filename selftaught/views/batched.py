"""Image views in plain torch, for accelerators. Resizing and blurring are matrix products for each sample."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.kernels import image as kernel
from selftaught.kernels import resize as layout
from selftaught.method import Params

_LUMA = (float(kernel.RED), float(kernel.GREEN), float(kernel.BLUE))


def render(images: Tensor, box: Tensor, look: Params, luma: Tensor, side: int) -> Tensor:
    """Return one view of each image, in [0, 1] and not normalised: float32 [B, C, S, S].

    Args:
        images: uint8 [B, C, H, W], padded below and to the right if sizes differ.
        box: int64 [B, 8], as in `kernels.image.views`.
        look: flip, turn, order, factor, grey, sigma and solarise of one view (numpy, [B, ...]), as in
            `kernels.image.views`.
        luma: Weight of each channel in the grey value, float32 [C].
        side: S.
    """
    y = resampling(box[:, [layout.HEIGHT, layout.GRID_Y, layout.FIRST_Y, layout.TOP]], side, images.shape[2])
    x = resampling(box[:, [layout.WIDTH, layout.GRID_X, layout.FIRST_X, layout.LEFT]], side, images.shape[3])
    views = _both(y, images.float() / 255, x)
    device = images.device
    views = torch.where(torch.from_numpy(look["flip"]).to(device)[:, None, None, None], views.flip(3), views)
    factor = torch.from_numpy(look["factor"]).to(device, torch.float32)[:, :, None, None, None]  # [B, 4, 1, 1, 1]
    for place in range(4):
        for operation, recolour in enumerate((_brightness, _contrast, _saturation, _hue)):
            chosen = _where(look["order"][:, place] == operation, device)
            if len(chosen):
                views[chosen] = recolour(views[chosen], factor[chosen, operation], luma)
    if views.shape[1] == 3:
        chosen = _where(look["grey"], device)
        views[chosen] = _grey(views[chosen]).expand(-1, 3, -1, -1)
    chosen = _where(look["sigma"] > 0, device)
    if len(chosen) and side > 1:
        spread = _spreading(torch.from_numpy(look["sigma"]).to(device)[chosen], side)
        views[chosen] = _both(spread, views[chosen], spread)
    chosen = _where(look["solarise"], device)
    views[chosen] = torch.where(views[chosen] >= 0.5, 1 - views[chosen], views[chosen])
    for quarters in (1, 2, 3):
        chosen = _where(look["turn"] == quarters, device)
        views[chosen] = views[chosen].rot90(quarters, (2, 3))
    return views


def _where(mask: NDArray[np.bool_], device: torch.device) -> Tensor:
    """Return the indices at which a numpy mask is true, without waiting for the device."""
    return torch.from_numpy(mask.nonzero()[0]).to(device)


def _both(rows: Tensor, images: Tensor, columns: Tensor) -> Tensor:
    """Return ``rows @ image @ columns^T`` for each channel of each image."""
    with torch.autocast(images.device.type, enabled=False):
        return rows[:, None] @ images @ columns[:, None].mT


def resampling(box: Tensor, side: int, length: int) -> Tensor:
    """Return matrices of antialiased linear resampling, float32 [B, side, length].

    `box` is size, grid, first and offset, [B, 4].
    """
    size, grid, first, offset = (b.double()[:, None, None] for b in box.unbind(1))
    scale = size / grid
    support = scale.clamp(min=1)
    centre = scale * (first + torch.arange(side, device=box.device)[:, None] + 0.5)  # [B, S, 1]
    pixel = torch.arange(length, device=box.device) - offset + 0.5  # [B, 1, L], from the crop's edge
    weight = (1 - (pixel - centre).abs() / support).clamp(min=0) * ((pixel > 0) & (pixel < size))
    return (weight / weight.sum(2, keepdim=True)).float()


def _spreading(sigma: Tensor, side: int) -> Tensor:
    """Return matrices of a Gaussian cut at three sigma, with mirrored edges: float32 [B, side, side]."""
    radius = torch.ceil(3 * sigma).clamp(max=side - 1).long()[:, None]
    most = min(math.ceil(3 * float(sigma.max())), side - 1)
    offset = torch.arange(-most, most + 1, device=sigma.device)
    weight = torch.exp(-0.5 * (offset / sigma[:, None]) ** 2) * (offset.abs() <= radius)  # [B, 2R + 1]
    weight = weight / weight.sum(1, keepdim=True)
    place = (torch.arange(side, device=sigma.device)[:, None] + offset).abs()
    place = side - 1 - (side - 1 - place).abs()  # [S, 2R + 1]
    matrix = torch.zeros(len(sigma), side, side, dtype=torch.float64, device=sigma.device)
    matrix.scatter_add_(2, place.expand(len(sigma), -1, -1), weight[:, None].expand(-1, side, -1))
    return matrix.float()


def _brightness(views: Tensor, factor: Tensor, luma: Tensor) -> Tensor:
    return (views * factor).clamp(0, 1)


def _contrast(views: Tensor, factor: Tensor, luma: Tensor) -> Tensor:
    mean = (views.mean((2, 3)) * luma).sum(1)[:, None, None, None]
    return (views * factor + (1 - factor) * mean).clamp(0, 1)


def _grey(views: Tensor) -> Tensor:
    r, g, b = views.unbind(1)
    return (_LUMA[0] * r + _LUMA[1] * g + _LUMA[2] * b)[:, None]


def _saturation(views: Tensor, factor: Tensor, luma: Tensor) -> Tensor:
    if views.shape[1] != 3:
        return views
    return (views * factor + (1 - factor) * _grey(views)).clamp(0, 1)


def _hue(views: Tensor, turns: Tensor, luma: Tensor) -> Tensor:
    """Rotate the hue in HSV.

    Channel n is ``V - C max(0, min(k, 4 - k, 1))`` with ``k = (n + 6 H) mod 6``, n = 5, 3, 1.
    """
    if views.shape[1] != 3:
        return views
    value, which = views.max(1, keepdim=True)
    chroma = value - views.amin(1, keepdim=True)
    # (g - b, b - r, r - g) / chroma
    sector = (views.roll(-1, 1) - views.roll(-2, 1)) / torch.where(chroma > 0, chroma, 1)
    hue = sector.gather(1, which) + 2 * which + 6 * turns
    k = torch.remainder(hue + torch.tensor((5, 3, 1), device=views.device).view(1, 3, 1, 1), 6)
    return value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)


def upload(images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]], device: torch.device) -> Tensor:
    """Return images as uint8 [B, C, H, W] on `device`.

    `images` is [B, H, W, C], or a list of [H, W, C] that is padded with zeros below and to the right if sizes differ.
    """
    if isinstance(images, Sequence):
        height, width = (max(image.shape[d] for image in images) for d in (0, 1))
        joined = np.zeros((len(images), height, width, images[0].shape[2]), np.uint8)
        for place, image in zip(joined, images, strict=True):
            place[: image.shape[0], : image.shape[1]] = image
        images = joined
    return torch.tensor(images, device=device).permute(0, 3, 1, 2)
