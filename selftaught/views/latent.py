"""Images, and normal numbers for each: the noise of generative models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.views.augmentation import Augment
from selftaught.views.image import ImageViews

STREAM = 0x6C6174656E74  # separates these numbers from other views' random numbers


def normals(seed: int, stream: int, index: Index, epoch: int, n: int) -> NDArray[np.float32]:
    """Return n normal numbers for each sample, float32 [B, n]. See `uniforms`."""
    u = uniforms(seed, stream, index, epoch, np.arange(2), n)
    # Box and Muller 1958
    numbers: NDArray[np.float32] = (np.sqrt(-2 * np.log1p(-u[:, 0])) * np.cos(2 * np.pi * u[:, 1])).astype(np.float32)
    return numbers


@final
class Latent(Views):
    """Views "image", normalised, and "noise", normal numbers, float32 [B, n]."""

    def __init__(self, input: Mapping[str, Any], n: int, augment: Augment | None = None) -> None:
        self.image, self.n = ImageViews(input, image=augment or Augment()), n

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the image view's parameters and "noise"."""
        noise = normals(seed, STREAM, index, epoch, self.n)
        return {**self.image.sample(index, epoch, seed), "noise": noise}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        batch = self.image.apply(raw, {k: v for k, v in params.items() if k != "noise"}, device)
        return {**batch, "noise": torch.from_numpy(params["noise"]).to(device)}
