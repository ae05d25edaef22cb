"""Corrupted copies of series: the input of denoising autoencoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.views.signal import Look, SignalViews, normals

Noise = Literal["masking", "gaussian"]
STREAM = 0x67617073  # separates these numbers from other views' random numbers


@final
class Gaps(Views):
    """Views "clean", "corrupt" and "damage": a window of the series, its corrupted copy, and what of it is corrupted.

    Both are [B, C, T], standardised; "damage" is bool [B, C, T]; "clean_mask" [B, T] is False at padding, which is
    never corrupted.

    Args:
        input: The input of the encoder.
        kind: masking sets stretches of `span` samples to the mean, each channel's own; gaussian adds normal noise.
        level: The part that is masked, or the deviation of the noise in those of the channel.
        span: Samples of a stretch. Stretches side by side make longer ones.
        crop: Length of the window, as a part of the input.
    """

    def __init__(self, input: Mapping[str, Any], kind: Noise, level: float, span: int, crop: float) -> None:
        if span < 1:
            raise UserError(f"span must be at least 1 sample, not {span}")
        self.kind, self.level, self.span = kind, level, span
        self.window = SignalViews(input, clean=Look(crop=crop))
        self.channels, self.length = int(input["channels"]), self.window.lengths[0]

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of the window, and "noise", normal numbers [B, C, T], or "gaps", bool [B, C, T]."""
        window = self.window.sample(index, epoch, seed)
        if self.kind == "gaussian":
            noise = normals(seed, STREAM, index, epoch, 0, self.channels * self.length)
            return {**window, "noise": noise.reshape(-1, self.channels, self.length)}
        return {**window, "gaps": self._gaps(index, epoch, seed)}

    def _gaps(self, index: Index, epoch: int, seed: int) -> NDArray[np.bool_]:
        """Return which samples are hidden: of stretches that begin anywhere, each with probability `level`."""
        stretches = -(-self.length // self.span) + 1
        u = uniforms(seed, STREAM, index, epoch, np.arange(self.channels), 1 + stretches)  # [B, C, 1 + stretches]
        begin = np.floor(u[:, :, :1] * self.span).astype(np.int64)
        at = (np.arange(self.length) + begin) // self.span  # [B, C, T]
        found: NDArray[np.bool_] = np.take_along_axis(u[:, :, 1:] < self.level, at, 2)
        return found

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        batch = self.window.apply(raw, params, device)
        clean, there = batch["clean"], batch["clean_mask"][:, None]
        if self.kind == "gaussian":
            noise = torch.from_numpy(params["noise"]).to(device)
            corrupt, damage = clean + self.level * noise * there, there.expand_as(clean) & (self.level > 0)
        else:
            damage = torch.from_numpy(params["gaps"]).to(device) & there
            corrupt = clean * ~damage
        return {**batch, "corrupt": corrupt, "damage": damage}
