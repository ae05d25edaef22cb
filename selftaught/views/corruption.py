"""Corrupted copies of images: the input of denoising autoencoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.views.image import plain
from selftaught.views.latent import normals

Noise = Literal["gaussian", "masking", "salt_and_pepper"]

STREAM = 0x6E6F697365  # separates the noise from other views' random numbers


def damaged(kind: Noise, x: Tensor, noise: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """Return the corrupted copy x~ of x [B, ...] and the mask of corrupted coordinates.

    `noise` has the shape of x: normal numbers for gaussian, uniform numbers in [0, 1) for the others.
    """
    if kind == "gaussian":
        return x + level * noise, torch.full_like(x, level > 0, dtype=torch.bool)
    mask = noise < level
    kept = x * ~mask  # twice as fast as masked_fill
    return kept if kind == "masking" else kept + (noise < level / 2), mask


def drawn(kind: Noise, index: Index, epoch: int, seed: int, n: int) -> NDArray[np.float32]:
    """Return n numbers for each sample, [B, n], as `damaged` needs them."""
    if kind == "gaussian":
        return normals(seed, STREAM, index, epoch, n)
    numbers: NDArray[np.float32] = uniforms(seed, STREAM, index, epoch, np.arange(1), n, np.float32)[:, 0]
    return numbers


@final
class Noisy(Views):
    """Views "clean", the image in units of full brightness = 1, and "noise", n numbers for `damaged`, [B, n]."""

    def __init__(self, input: Mapping[str, Any], kind: Noise, n: int) -> None:
        self.plain, self.kind, self.n = plain(input), kind, n
        self.mean, self.std = (torch.tensor(input[key]).view(-1, 1, 1) for key in ("mean", "std"))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the plain view's parameters and "noise", float32 [B, n]."""
        return {**self.plain.sample(index, epoch, seed), "noise": drawn(self.kind, index, epoch, seed, self.n)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        batch = self.plain.apply(raw, {k: v for k, v in params.items() if k != "noise"}, device)
        clean = (batch.pop("image") * self.std.to(device)).add_(self.mean.to(device)).clamp_(0, 1)
        return {**batch, "clean": clean, "noise": torch.from_numpy(params["noise"]).to(device)}


@final
class Damage(Views):
    """Views "clean", "corrupt" and "mask": the clean image, its corrupted copy and the mask of the corruption.

    Images are [B, C, S, S] in units of full brightness = 1.
    """

    def __init__(self, input: Mapping[str, Any], kind: Noise, level: float) -> None:
        self.noisy, self.kind, self.level = Noisy(input, kind, input["channels"] * input["size"] ** 2), kind, level

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of `Noisy`: a number for each coordinate."""
        return self.noisy.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        batch = self.noisy.apply(raw, params, device)
        noise = batch.pop("noise").view_as(batch["clean"])
        corrupt, mask = damaged(self.kind, batch["clean"], noise, self.level)
        return {**batch, "corrupt": corrupt, "mask": mask}
