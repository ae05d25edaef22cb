"""Views of frames of videos: those of images, applied to each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch

from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.parts.shown import Pictures
from selftaught.source import BESIDE
from selftaught.views import image
from selftaught.views.augmentation import Augment
from selftaught.views.image import ImageViews

__all__ = ["FrameViews", "augment", "plain", "raw", "show"]

RAW = "the pixels of a frame"


@final
class FrameViews(Views):
    """Named views of uint8 frames, each float32 [B, C, S, S], normalised as the encoder expects.

    ``FrameViews(encoder.spec["input"], query=Augment(...))`` does with "video" of a raw batch what `ImageViews` does
    with images. "label" and "index" pass through.

    >>> import numpy as np, torch
    >>> input = {"kind": "video", "size": 4, "channels": 1, "mean": [0.0], "std": [1.0]}
    >>> views = FrameViews(input, query=Augment(flip=0.5))
    >>> batch = {"video": np.zeros((2, 8, 12, 1), np.uint8), "index": np.arange(2)}
    >>> views.apply(batch, views.sample(batch["index"], epoch=0, seed=0), torch.device("cpu"))["query"].shape
    torch.Size([2, 1, 4, 4])
    """

    def __init__(self, input: Mapping[str, Any], **views: Augment | Sequence[Augment]) -> None:
        self.images = ImageViews(_as_image(input), **views)

    def unused(self) -> dict[str, str]:
        """See `Views.unused`."""
        return self.images.unused()

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of `ImageViews`."""
        return self.images.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`."""
        frames: Raw = {key: raw[key] for key in BESIDE if key in raw}
        return self.images.apply(frames | {"image": raw["video"]}, params, device)


def plain(input: Mapping[str, Any]) -> FrameViews:
    """Return the view "video" of a frame without augmentation: shorter side resized, centre crop, normalised."""
    return FrameViews(input, video=Augment())


def raw(input: Mapping[str, Any]) -> FrameViews:
    """Return the views that give the pixels, the same as `plain`."""
    return plain(input)


def augment(input: Mapping[str, Any]) -> FrameViews:
    """Return two random views of each frame, "first" and "second", as `views.image` has them."""
    images = image.augment(_as_image(input))
    first, second = images.augments
    return FrameViews(input, first=first, second=second)


def show(name: str, values: Any, input: Mapping[str, Any]) -> Pictures | None:
    """Return pictures of raw frames, uint8 [H, W, C] each, or of a view's float [B, C, H, W]; None for other values."""
    return image.show(name, values, _as_image(input))


def _as_image(input: Mapping[str, Any]) -> dict[str, Any]:
    return {**input, "kind": "image"}
