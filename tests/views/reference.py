"""A view of one image in plain, slow float64: what the fused kernel and the torch path are both held to."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from torch.nn import functional as F

Image = NDArray[np.float64]  # [H, W, C], values in [0, 1]
LUMA = np.array([0.2989, 0.587, 0.114])


def crop_of(height: int, width: int, draws: Mapping[str, Any], ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    """torchvision's RandomResizedCrop.get_params on given draws: top, left, height, width."""
    for area, log_ratio in zip(draws["area"], draws["log_ratio"], strict=True):
        w = round(np.sqrt(area * height * width * np.exp(log_ratio)))
        h = round(np.sqrt(area * height * width / np.exp(log_ratio)))
        if 0 < w <= width and 0 < h <= height:
            return int(draws["place"][0] * (height - h + 1)), int(draws["place"][1] * (width - w + 1)), h, w
    w, h = width, height
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return (height - h) // 2, (width - w) // 2, h, w


def resized(image: Image, height: int, width: int) -> Image:
    planes = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    return F.interpolate(planes, size=(height, width), mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()


def centred(image: Image, side: int) -> Image:
    """torchvision's Resize(side, antialias=True) and CenterCrop(side)."""
    short = min(image.shape[:2])
    height, width = (int(side * d / short) for d in image.shape[:2])
    image = resized(image, height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    return image[top : top + side, left : left + side]


def grey_of(image: Image) -> Image:
    return (image @ LUMA if image.shape[2] == 3 else image.mean(axis=2))[:, :, None]


def hue_turned(image: Image, turns: float) -> Image:
    out = np.empty_like(image)
    for place in np.ndindex(image.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*image[place])
        out[place] = colorsys.hsv_to_rgb((hue + turns) % 1, saturation, value)
    return out


def recoloured(image: Image, operation: int, factor: float) -> Image:
    if operation == 0:
        return np.clip(image * factor, 0, 1)
    if operation == 1:
        return np.clip(image * factor + (1 - factor) * grey_of(image).mean(), 0, 1)
    if operation == 2 and image.shape[2] == 3:
        return np.clip(image * factor + (1 - factor) * grey_of(image), 0, 1)
    if operation == 3 and image.shape[2] == 3:
        return hue_turned(image, factor)
    return image


def blurred(image: Image, sigma: float) -> Image:
    radius = min(int(np.ceil(3 * sigma)), len(image) - 1)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    for axis in (0, 1):
        image = correlate1d(image, kernel / kernel.sum(), axis=axis, mode="mirror")
    return image


def view(image: NDArray[np.uint8], augment: Any, draws: Mapping[str, Any], side: int) -> Image:
    """One view before it is normalised, [side, side, C]; `draws` are the sample's parameters for this view."""
    picture = image / 255
    if augment.crop is None:
        picture = centred(picture, side)
    else:
        top, left, height, width = crop_of(*image.shape[:2], draws, augment.ratio)
        picture = resized(picture[top : top + height, left : left + width], side, side)
    if draws["flip"]:
        picture = picture[:, ::-1]
    for operation in draws["order"]:
        if operation >= 0:
            picture = recoloured(picture, operation, draws["factor"][operation])
    if draws["grey"] and image.shape[2] == 3:
        picture = np.repeat(grey_of(picture), 3, axis=2)
    if draws["sigma"] > 0:
        picture = blurred(picture, draws["sigma"])
    if draws["solarise"]:
        picture = np.where(picture >= 0.5, 1 - picture, picture)
    return np.rot90(picture, draws["turn"])
