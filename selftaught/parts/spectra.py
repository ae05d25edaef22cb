"""Log-mel spectra and cepstral coefficients of sound, by torch."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple, final

import torch
from torch import Tensor

from selftaught.errors import UserError

FLOOR = 1e-10
"""Smallest energy, so that silence has a logarithm."""
BREAK, STEP, RISE = 1000.0, 200 / 3, math.log(6.4) / 27
"""Slaney's scale: linear below 1 kHz with a mel each 66.7 Hz, logarithmic above."""


@final
class Frames(NamedTuple):
    """How sound is cut into frames. A frame is centred on its first sample, so the ends are padded with zeros.

    Args:
        rate: Samples in a second.
        window: Samples of a frame, which a Hann window weighs.
        hop: Samples from one frame to the next.
        mels: Number of mel bands from 0 Hz to half the rate.
    """

    rate: int
    window: int
    hop: int
    mels: int

    @classmethod
    def of(cls, rate: int, mels: int = 40) -> Frames:
        """Return the usual frames of speech: 25 ms every 10 ms."""
        return cls(rate, round(0.025 * rate), round(0.01 * rate), mels)

    def of_samples(self, samples: Tensor) -> Tensor:
        """Return the number of frames of so many samples."""
        return samples // self.hop + 1


def log_mel(wave: Tensor, frames: Frames) -> Tensor:
    """Return the natural logarithm of the energy in mel bands, [B, mels, t], of waves [B, T].

    The bands are triangles of equal area on Slaney's scale, as in the Auditory Toolbox and librosa. Frame i is that of
    the samples around i * hop; t = T // hop + 1.
    """
    if wave.shape[-1] < 1:
        raise UserError("sound without a sample has no spectrum")
    size = 1 << (frames.window - 1).bit_length()
    window = _hann(frames.window).to(wave)
    found = torch.stft(
        wave, size, frames.hop, frames.window, window, center=True, pad_mode="constant", return_complex=True
    )
    energy = found.real.square() + found.imag.square()  # [B, F, t]
    return torch.clamp(_filters(frames.rate, size, frames.mels).to(wave) @ energy, min=FLOOR).log()


def mfcc(mels: Tensor, count: int) -> Tensor:
    """Return the first `count` coefficients of the orthonormal cosine transform of log-mel spectra, [B, count, t]."""
    return _cosines(mels.shape[1], count).to(mels) @ mels


def to_mel(hertz: Tensor) -> Tensor:
    """Return frequencies on Slaney's scale."""
    return torch.where(hertz < BREAK, hertz / STEP, BREAK / STEP + (hertz / BREAK).clamp(min=1).log() / RISE)


def to_hertz(mels: Tensor) -> Tensor:
    """Return what `to_mel` was given."""
    above = BREAK * torch.exp(RISE * (mels - BREAK / STEP))
    return torch.where(mels < BREAK / STEP, mels * STEP, above)


@cache
def _hann(size: int) -> Tensor:
    return torch.hann_window(size)


@cache
def _filters(rate: int, size: int, mels: int) -> Tensor:
    """Return triangles over the frequencies of a transform, [mels, size / 2 + 1]."""
    at = torch.arange(size // 2 + 1, dtype=torch.float64) * rate / size
    top = to_mel(torch.tensor(rate / 2, dtype=torch.float64))
    edges = to_hertz(torch.linspace(0, 1, mels + 2, dtype=torch.float64) * top)  # [mels + 2]
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (at - low) / (mid - low), (high - at) / (high - mid)
    return (torch.minimum(rising, falling).clamp(min=0) * 2 / (high - low)).float()


@cache
def _cosines(size: int, count: int) -> Tensor:
    k, n = torch.arange(count, dtype=torch.float64)[:, None], torch.arange(size, dtype=torch.float64)
    found = torch.cos(math.pi / size * (n + 0.5) * k) * math.sqrt(2 / size)
    found[0] /= math.sqrt(2)
    return found.float()
