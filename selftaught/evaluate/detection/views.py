"""Views of pictures with boxes: mirrored and zoomed for training, and all pictures of a batch on one canvas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views

STREAM = 0xB0E5
"""Identifies the random numbers."""
SEEN = 0.3
"""A box of which less than this share is left by the zoom is no target."""


@final
class BoxedViews(Views):
    """Pictures on a canvas, normalised as the encoder expects, with their boxes padded to equal numbers.

    Returns ``{"image": float32 [B, C, H, W], "boxes": float32 [B, M, 4], "classes": int64 [B, M], -1 = padding,
    "ignored": bool [B, M]}``.

    Args:
        input: The "input" of the encoder's spec.
        canvas: Height and width in pixels. Pictures that are larger are reduced to fit.
        flip: Probability of a mirror image.
        zoom: Sides are scaled by a factor in [1 / (1 + zoom), 1 + zoom], and the picture is placed at random.
    """

    def __init__(self, input: Mapping[str, Any], canvas: tuple[int, int], flip: float = 0.0, zoom: float = 0.0) -> None:
        self.input, self.canvas, self.flip, self.zoom = dict(input), canvas, flip, zoom

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return "flip" bool [B], "zoom" float [B], the factor, and "place" float [B, 2] in [0, 1)."""
        u = uniforms(seed, STREAM, index, epoch, np.zeros(1, np.int64), 4)[:, 0]
        return {
            "flip": u[:, 0] < self.flip,
            "zoom": (1 + self.zoom) ** (2 * u[:, 1] - 1),
            "place": u[:, 2:] if self.zoom else np.zeros((len(index), 2)),
        }

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """See the class. Raises UserError for pictures of another number of channels."""
        images, n = raw["image"], len(raw["image"])
        none = [np.empty((0, 4), np.float32)] * n
        boxes, classes = raw.get("boxes", none), raw.get("class", [np.empty(0, np.int64)] * n)
        ignored = raw.get("ignored", [np.empty(0, np.bool_)] * n)
        channels = int(self.input["channels"])
        most = max([1, *(len(one) for one in boxes)])
        pixels = np.empty((n, channels, *self.canvas), np.float32)
        corners = np.zeros((n, most, 4), np.float32)
        said, left = np.full((n, most), -1, np.int64), np.zeros((n, most), np.bool_)
        mean, std = (np.asarray(self.input[key], np.float32) for key in ("mean", "std"))
        for i, image in enumerate(images):
            if image.shape[2] != channels:
                raise UserError(f"the encoder takes images of {channels} channels, not {image.shape[2]}")
            placed, scale, offset = self._placed(image, params["zoom"][i], params["place"][i], mean)
            where = boxes[i] * np.tile(scale, 2) + np.tile(offset, 2)
            if params["flip"][i]:
                placed = placed[:, ::-1]
                where = np.stack(
                    [self.canvas[1] - where[:, 2], where[:, 1], self.canvas[1] - where[:, 0], where[:, 3]], 1
                )
            pixels[i] = ((placed - mean) / std).transpose(2, 0, 1)
            inside, kept = self._cut(where)
            count = int(kept.sum())
            corners[i, :count], said[i, :count], left[i, :count] = inside[kept], classes[i][kept], ignored[i][kept]
        batch: Batch = {
            "image": torch.from_numpy(pixels), "boxes": torch.from_numpy(corners), "classes": torch.from_numpy(said),
            "ignored": torch.from_numpy(left),
        }  # fmt: skip
        batch = {name: value.to(device) for name, value in batch.items()}
        return batch | {key: torch.as_tensor(raw[key]).to(device) for key in ("label", "index") if key in raw}

    def scales(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what a pixel of a picture becomes on the canvas, without a zoom: (x, y)."""
        height, width = self._size(image, 1.0)
        return np.array([width / image.shape[1], height / image.shape[0]], np.float32)

    def _size(self, image: NDArray[np.uint8], zoom: float) -> tuple[int, int]:
        """Return the height and the width of a picture on the canvas."""
        scale = min(self.canvas[0] / image.shape[0], self.canvas[1] / image.shape[1], 1.0) * zoom
        return max(round(image.shape[0] * scale), 1), max(round(image.shape[1] * scale), 1)

    def _placed(
        self, image: NDArray[np.uint8], zoom: float, place: NDArray[np.float64], mean: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return a picture on the canvas, float32 [H, W, C] in [0, 1]; its scale and where its corner is, (x, y)."""
        height, width = self.canvas
        size = self._size(image, zoom)
        scales = np.array([size[1] / image.shape[1], size[0] / image.shape[0]], np.float32)
        if size != image.shape[:2]:
            image = _resized(image, size)
        # a smaller picture anywhere on the canvas, a larger one cut anywhere
        offset = np.floor(place * (np.array([width, height]) - size[::-1] + 0.999)).astype(np.int64)
        canvas = np.broadcast_to(mean, (height, width, len(mean))).copy()
        left, top = np.maximum(offset, 0)
        right, bottom = np.minimum(offset + size[::-1], (width, height))
        cut = image[top - offset[1] : bottom - offset[1], left - offset[0] : right - offset[0]]
        canvas[top:bottom, left:right] = cut / np.float32(255)
        return canvas, scales, offset.astype(np.float32)

    def _cut(self, boxes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the boxes cut at the border of the canvas, and which of them are still seen."""
        inside = np.clip(boxes, 0, np.tile(np.array(self.canvas[::-1], np.float32), 2))
        areas = [np.prod(one[:, 2:] - one[:, :2], axis=1) for one in (inside, boxes)]
        return inside, areas[0] >= SEEN * areas[1]


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return [H, W, C] with another height and width, by antialiased bilinear interpolation."""
    to = size[::-1]
    if image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize(to, Image.Resampling.BILINEAR))
    planes = [Image.fromarray(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])]
    return np.stack([np.asarray(plane.resize(to, Image.Resampling.BILINEAR)) for plane in planes], axis=2)
