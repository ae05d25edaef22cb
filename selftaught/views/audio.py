"""Views of recordings: `Take`s sampled by (seed, epoch, index, view), applied with torch to whole batches.

A window of each recording is taken and standardised as that of any series (`views/signal`), with its mask; then the
room, the noise and the holes of a take are made. All of them but the holes in time are one product of spectra.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Encoder, Index, Params, Raw, Views
from selftaught.parts.shown import Sounds
from selftaught.parts.spectra import Frames, log_mel, mfcc
from selftaught.views.signal import PLAIN, Look, OneView, SignalViews, denormalise, normals

__all__ = ["AudioViews", "OneTake", "Take", "augment", "crop", "plain", "raw", "show"]

RAW = "the means and deviations of 20 cepstral coefficients (MFCC) and of their changes"
COEFFICIENTS = 20
STREAM, NOISE, ROOM = 0x617564696F, 0x68697373, 0x726F6F6D
"""Separate the numbers of the takes, of their noise and of their rooms from other views' random numbers."""
DECAY = math.log(1000)
"""A reverberation time is that in which sound falls by 60 dB, to a thousandth of its height."""
LOW = 50.0
"""Frequency in Hz below which noise of any colour is white: what is lower is not heard."""
RANGE = 30.0
"""dB from the loudest noise to the faintest."""


@final
@dataclass(frozen=True)
class Take:
    """The random changes of one view. All are off by default.

    Args:
        crop: Seconds of the view, at most those of the encoder's input; 0 = all of these. The window is drawn at random
            from the recording; a recording that is shorter is padded at its end.
        gain: Largest change of loudness in dB: it is drawn from [-gain, gain].
        reverb: Longest reverberation time in seconds, from which that of the room of each view is drawn; 0 = no room.
            The echoes are noise that decays (Moorer 1979), and as loud as the sound itself at most.
        noise: Loudest noise in dB relative to the sound; it is drawn from the 30 dB below. Its colour is drawn too,
            from white to brown. None = no noise.
        hide: Longest stretch of time that is silenced, as a part of the view. Its length is drawn from 0 to this.
        band: Widest band of frequencies that is removed, as a part of all on the mel scale. Its width is drawn from 0
            to this (the masks of SpecAugment, Park et al. 2019, arXiv 1904.08779, but of the sound itself).
        centred: Take the middle of a longer recording instead of a random window.

    Raises:
        UserError: A value is out of range.
    """

    crop: float = 0.0
    gain: float = 0.0
    reverb: float = 0.0
    noise: float | None = None
    hide: float = 0.0
    band: float = 0.0
    centred: bool = False

    def __post_init__(self) -> None:
        for name in ("crop", "gain", "reverb"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"{name} of recordings must be at least 0, not {getattr(self, name)}")
        if not (0 <= self.hide < 1 and 0 <= self.band < 1):
            raise UserError(f"hide and band must be in [0, 1), not {self.hide} and {self.band}")
        if self.noise is not None and not -100 <= self.noise <= 100:
            raise UserError(f"noise of recordings must be in [-100, 100] dB, not {self.noise}")


@final
class AudioViews(Views):
    """Named views of recordings, each float32 [B, 1, T], standardised as the encoder expects, with its mask [B, T].

    ``AudioViews(encoder.spec["input"], query=Take(...), key=Take(...))`` returns ``{"query": ..., "query_mask": ...,
    "key": ..., "key_mask": ...}``. Several `Take`s under one name give lists. "label" and "index" pass through.

    Args:
        input: ``{"kind": "audio", "channels": 1, "rate": Hz, "length": T, "full": 32768, "mean": [0], "std": [S]}``.
        views: One `Take`, or several, for each output.

    >>> import numpy as np, torch
    >>> input = {"kind": "audio", "channels": 1, "rate": 8000, "length": 800, "full": 32768, "mean": [0], "std": [0.1]}
    >>> views = AudioViews(input, first=Take(crop=0.05), second=Take(reverb=0.1, noise=-10.0))
    >>> batch = {"audio": [np.ones((1, 900), np.int16)], "index": np.arange(1)}
    >>> tensors = views.apply(batch, views.sample(batch["index"], epoch=0, seed=0), torch.device("cpu"))
    >>> tensors["first"].shape, tensors["second"].shape, tensors["first_mask"].shape
    (torch.Size([1, 1, 400]), torch.Size([1, 1, 800]), torch.Size([1, 400]))
    """

    def __init__(self, input: Mapping[str, Any], **views: Take | Sequence[Take]) -> None:
        self.rate, most = int(input["rate"]), int(input["length"])
        self.takes = [one for view in views.values() for one in ([view] if isinstance(view, Take) else view)]
        self.lengths = [min(round(take.crop * self.rate) or most, most) for take in self.takes]
        looks = [
            Look(crop=length / most, centred=take.centred)
            for take, length in zip(self.takes, self.lengths, strict=True)
        ]
        rest = iter(looks)
        named = {
            name: next(rest) if isinstance(view, Take) else [next(rest) for _ in view] for name, view in views.items()
        }
        self.windows = SignalViews(input, **named)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of the windows, and "take" [B, V, 8], in [0, 1).

        Each view v with a room has normal numbers "room0", "room1", ..., and each with noise "hiss0", "hiss1", ....
        """
        found = self.windows.sample(index, epoch, seed)
        found["take"] = uniforms(seed, STREAM, index, epoch, np.arange(len(self.takes)), 8)
        for v, take in enumerate(self.takes):
            if take.reverb:
                found[f"room{v}"] = normals(seed, ROOM, index, epoch, v, self._echo(v))
            if take.noise is not None:
                found[f"hiss{v}"] = normals(seed, NOISE, index, epoch, v, self._size(v) + 2)
        return found

    def _echo(self, v: int) -> int:
        """Return the samples of the longest echo of a view."""
        return max(min(round(self.takes[v].reverb * self.rate), self.lengths[v]), 1)

    def _size(self, v: int) -> int:
        """Return the length of the transforms of a view: with room for its echo, a product of small primes."""
        least = self.lengths[v] + (self._echo(v) if self.takes[v].reverb else 0)
        return min(k << max((-(-least // k) - 1).bit_length(), 1) for k in (1, 3, 5, 9, 15))

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`."""
        batch = self.windows.apply(raw, params, device)
        seen: dict[str, int] = {}
        for v, name in enumerate(self.windows.outputs):
            x, mask = batch[name], batch[f"{name}_mask"]
            if self.windows.alone[name]:
                batch[name] = self._heard(v, x, mask, params)
            else:
                i = seen[name] = seen.get(name, -1) + 1
                x[i] = self._heard(v, x[i], mask[i], params)
        return batch

    def _heard(self, v: int, x: Tensor, mask: Tensor, params: Params) -> Tensor:
        """Return a window [B, 1, T] as it sounds in this take."""
        take, u = self.takes[v], torch.from_numpy(params["take"][:, v].astype(np.float32)).to(x.device)  # [B, 8]
        x = x[:, 0]
        if take.reverb or take.noise is not None or take.band:
            x = self._filtered(v, x, mask, u, params)
        if take.gain:
            x = x * 10 ** (take.gain * (2 * u[:, :1] - 1) / 20)
        x = x * mask
        if take.hide:
            at, there = torch.arange(x.shape[1], device=x.device), mask.sum(1)
            hidden = (u[:, 6] * take.hide * there).floor()[:, None]
            first = (u[:, 7:] * (there[:, None] - hidden + 1)).floor()
            x = x.masked_fill((at >= first) & (at < first + hidden), 0)
        return x[:, None]

    def _filtered(self, v: int, x: Tensor, mask: Tensor, u: Tensor, params: Params) -> Tensor:
        take, size, length = self.takes[v], self._size(v), x.shape[1]
        spectrum = torch.fft.rfft(x, size)  # [B, F]
        if take.reverb:
            spectrum = spectrum * torch.fft.rfft(self._room(v, u, params, x), size)
        if take.noise is not None:
            hiss = torch.view_as_complex(torch.from_numpy(params[f"hiss{v}"]).to(x.device).unflatten(1, (-1, 2)))
            at = torch.arange(size // 2 + 1, device=x.device, dtype=x.dtype) * (self.rate / size / LOW)
            hiss = hiss * at.clamp(min=1) ** -u[:, 3:4]  # from white to brown, by amplitude
            hiss[:, 0] = 0
            loud = (x.square().sum(1) / mask.sum(1).clamp(min=1)).sqrt()  # [B]
            level = loud * 10 ** ((take.noise - RANGE * u[:, 2]) / 20)
            power = (hiss.real.square() + hiss.imag.square()).sum(1) * 2 / size**2
            spectrum = spectrum + hiss * (level / power.clamp(min=1e-20).sqrt())[:, None]
        if take.band:
            spectrum = spectrum * self._band(take, u, size, x)
        found: Tensor = torch.fft.irfft(spectrum, size)[:, :length]
        return found

    def _room(self, v: int, u: Tensor, params: Params, like: Tensor) -> Tensor:
        """Return the response of a room, [B, echo]: the sound itself, and echoes of at most as much energy."""
        echoes = torch.from_numpy(params[f"room{v}"]).to(like.device)
        t = torch.arange(echoes.shape[1], device=like.device) / self.rate
        last = (self.takes[v].reverb * u[:, 1:2]).clamp(min=1 / self.rate)  # [B, 1] seconds
        echoes = echoes * torch.exp(-DECAY * t / last)
        echoes[:, 0] = 0
        energy = echoes.square().sum(1, keepdim=True).clamp(min=1e-12).sqrt()
        response = echoes * (u[:, 1:2] / energy)
        response[:, 0] = 1
        return response

    def _band(self, take: Take, u: Tensor, size: int, like: Tensor) -> Tensor:
        """Return which frequencies are left, [B, F]."""
        at = torch.arange(size // 2 + 1, device=like.device, dtype=like.dtype) * self.rate / size
        height = 2595 * torch.log10(1 + at / 700)
        height = height / height[-1]  # 0 to 1 on the mel scale
        width = take.band * u[:, 4:5]
        first = u[:, 5:6] * (1 - width)
        return ((height < first) | (height >= first + width)).to(like.dtype)


@final
class Cepstra(Views):
    """The view "audio": means and deviations over time of MFCC and of their changes, float32 [B, 4 * 20]."""

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.views, self.frames = OneView(input, PLAIN), Frames.of(int(input["rate"]))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return nothing: there is nothing to draw."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the statistics on `device`, without those of padding."""
        batch = self.views.apply(raw, params, device)
        mask = batch.pop("mask")
        found = mfcc(log_mel(batch["audio"][:, 0], self.frames), COEFFICIENTS)  # [B, 20, t]
        there = self.frames.of_samples(mask.sum(1))  # [B]
        return {**batch, "audio": statistics(torch.cat([found, changes(found, there)], 1), there)}


def changes(x: Tensor, there: Tensor) -> Tensor:
    """Return how much each feature of [B, D, t] changes: half the difference of the next and of the last position.

    Of the first `there` [B] positions the outer ones stand for those beyond.
    """
    at = torch.arange(x.shape[2], device=x.device)
    after = torch.minimum(at + 1, there[:, None] - 1)[:, None].expand_as(x)
    before = (at - 1).clamp(min=0)
    return (x.gather(2, after) - x[:, :, before]) / 2


def statistics(x: Tensor, there: Tensor) -> Tensor:
    """Return the mean and the deviation of each feature of [B, D, t] over the first `there` [B] positions, [B, 2D]."""
    within = (torch.arange(x.shape[2], device=x.device) < there[:, None])[:, None]
    mean = (x * within).sum(2) / there[:, None]
    square = ((x - mean[:, :, None]).square() * within).sum(2) / there[:, None]
    return torch.cat([mean, square.sqrt()], 1)


@final
class OneTake(Views):
    """One random view of each recording, "audio", float32 [B, 1, T], and its "mask", bool [B, T]."""

    def __init__(self, input: Mapping[str, Any], take: Take) -> None:
        self.views = AudioViews(input, audio=take)
        self.length = self.views.lengths[0]

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """See `AudioViews.sample`."""
        return self.views.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the view on `device`."""
        batch = self.views.apply(raw, params, device)
        return {"audio": batch.pop("audio"), "mask": batch.pop("audio_mask"), **batch}


def plain(input: Mapping[str, Any]) -> OneView:
    """Return the view "audio" without augmentation, and its "mask"."""
    return OneView(input, PLAIN)


def raw(input: Mapping[str, Any]) -> Cepstra:
    """Return the view that gives the hand-made features: statistics of MFCC. The samples themselves say nothing."""
    return Cepstra(input)


def crop(encoder: Encoder) -> OneTake:
    """Return the view "audio", a random window of full length, of another loudness, and its "mask"."""
    return OneTake(encoder.spec["input"], Take(gain=6.0))


def augment(input: Mapping[str, Any]) -> AudioViews:
    """Return two random views, "first" and "second": windows of 80%, rooms, noise, loudness, and holes in both axes."""
    seconds = 0.8 * int(input["length"]) / int(input["rate"])
    take = Take(crop=seconds, gain=6.0, reverb=0.3, noise=-10.0, hide=0.2, band=0.2)
    return AudioViews(input, first=take, second=take)


def show(name: str, values: Any, input: Mapping[str, Any]) -> Sounds | None:
    """Return sounds of raw recordings, [1, T] each, or of a view's float [B, 1, T]."""
    if isinstance(values, Tensor):
        fits = values.ndim == 3 and values.shape[1] == 1 and values.is_floating_point()
        return Sounds(name, list(denormalise(values, input)[:, 0]), int(input["rate"])) if fits else None
    whole = all(isinstance(one, np.ndarray) and one.ndim == 2 for one in values)
    return Sounds(name, [_heights(one[0], input) for one in values], int(input["rate"])) if whole else None


def _heights(wave: NDArray[Any], input: Mapping[str, Any]) -> NDArray[np.float32]:
    return np.asarray(wave, np.float32) / np.float32(input.get("full", 1))
