"""Views of series: `Look`s sampled by (seed, epoch, index, view), applied with torch to whole batches.

Every view comes with a mask of the same batch and length, True at samples of the series and False at padding. Names of
masks are those of the views with "_mask": the encoder takes it as ``mask``.
"""

from __future__ import annotations

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
from selftaught.parts.shown import Curves

__all__ = ["Look", "SignalViews", "augment", "crop", "denormalise", "halves", "plain", "raw", "show"]

RAW = "the numbers themselves"
STREAM = 0x7369676E616C
NOISE = 0x6A6974746572
"""Separate the numbers of the looks, and of their noise, from other views' random numbers."""
Rows = NDArray[np.float32] | Sequence[NDArray[np.float32]]


@final
@dataclass(frozen=True)
class Look:
    """The random changes of one view. All are off by default; channels keep their order.

    Args:
        crop: Length of the view as a part of the encoder's input. The window is drawn at random from the series; a
            series that is shorter is padded at its end.
        scale: Largest change of the height of a channel: its factor is drawn from [1 - scale, 1 + scale].
        noise: Standard deviation of noise on every sample, in standard deviations of the channel.
        hide: Longest stretch of time that is set to the mean in all channels, as a part of the view. Its length is
            drawn from 0 to this.
        centred: Take the middle of a longer series instead of a random window.

    Raises:
        UserError: A value is out of range.
    """

    crop: float = 1.0
    scale: float = 0.0
    noise: float = 0.0
    hide: float = 0.0
    centred: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise UserError(f"crop of series must be above 0 and at most 1, not {self.crop}")
        if not (0 <= self.scale <= 1 and 0 <= self.hide < 1):
            raise UserError(f"scale must be in [0, 1] and hide in [0, 1), not {self.scale} and {self.hide}")
        if self.noise < 0:
            raise UserError(f"noise of series must be at least 0, not {self.noise}")


@final
class SignalViews(Views):
    """Named views of series, each float32 [B, C, T], standardised as the encoder expects, with its mask [B, T].

    ``SignalViews(encoder.spec["input"], query=Look(...), key=Look(...))`` returns ``{"query": ..., "query_mask": ...,
    "key": ..., "key_mask": ...}``. Several `Look`s under one name give lists. "label" and "index" pass through.

    Args:
        input: ``{"kind": "signal", "channels": C, "length": T, "mean": [C], "std": [C]}``.
        views: One `Look`, or several, for each output.

    >>> import numpy as np, torch
    >>> input = {"kind": "signal", "channels": 1, "length": 8, "mean": [0.0], "std": [1.0]}
    >>> views = SignalViews(input, first=Look(crop=0.5), second=Look(noise=0.1))
    >>> batch = {"signal": np.ones((2, 1, 8), np.float32), "index": np.arange(2)}
    >>> tensors = views.apply(batch, views.sample(batch["index"], epoch=0, seed=0), torch.device("cpu"))
    >>> tensors["first"].shape, tensors["second"].shape, tensors["first_mask"].shape
    (torch.Size([2, 1, 4]), torch.Size([2, 1, 8]), torch.Size([2, 4]))
    """

    def __init__(self, input: Mapping[str, Any], **views: Look | Sequence[Look]) -> None:
        self.input = dict(input)
        self.alone = {name: isinstance(view, Look) for name, view in views.items()}  # True: a tensor, False: a list
        self.looks = [one for view in views.values() for one in ([view] if isinstance(view, Look) else view)]
        self.outputs = [n for n, view in views.items() for _ in ([view] if isinstance(view, Look) else view)]
        self.lengths = [max(round(look.crop * input["length"]), 1) for look in self.looks]

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return "window" [B, V, 3] and "factor" [B, V, C], in [0, 1).

        Each view v with noise has normal numbers "noise0", "noise1", ..., [B, C, T].
        """
        channels, views = int(self.input["channels"]), np.arange(len(self.looks))
        u = uniforms(seed, STREAM, index, epoch, views, 3 + channels)
        noise = {
            f"noise{v}": normals(seed, NOISE, index, epoch, v, channels * length).reshape(-1, channels, length)
            for v, (look, length) in enumerate(zip(self.looks, self.lengths, strict=True))
            if look.noise
        }
        return {"window": u[:, :, :3], "factor": u[:, :, 3:], **noise}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. Raises UserError if the series have other channels."""
        rows: Rows = raw["signal"]
        channels = int(self.input["channels"])
        if len(rows) and rows[0].shape[0] != channels:
            raise UserError(f"the encoder takes series of {channels} channels, not {rows[0].shape[0]}")
        sizes = np.array([row.shape[1] for row in rows], np.int64)
        batch: Batch = {}
        for v, name in enumerate(self.outputs):
            found, mask = self._view(v, rows, sizes, params, device)
            for key, tensor in ((name, found), (f"{name}_mask", mask)):
                if self.alone[name]:
                    batch[key] = tensor
                else:
                    batch.setdefault(key, []).append(tensor)
        return batch | {key: torch.as_tensor(raw[key]).to(device) for key in ("label", "index") if key in raw}

    def _view(
        self, v: int, rows: Rows, sizes: NDArray[np.int64], params: Params, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        look, length = self.looks[v], self.lengths[v]
        where = 0.5 if look.centred else params["window"][:, v, 0]
        start = np.floor(where * (np.maximum(sizes - length, 0) + (not look.centred))).astype(np.int64)
        there = torch.from_numpy(np.minimum(sizes, length)).to(device)  # [B]
        x = torch.from_numpy(windows(rows, start, length)).to(device)
        mean, std = (torch.tensor(self.input[key], device=device).view(-1, 1) for key in ("mean", "std"))
        x = (x - mean) / std
        if look.scale:
            factor = 1 + look.scale * (2 * params["factor"][:, v] - 1)  # [B, C]
            x = x * torch.from_numpy(factor.astype(np.float32)).to(device)[:, :, None]
        if look.noise:
            x = x + look.noise * torch.from_numpy(params[f"noise{v}"]).to(device)
        at = torch.arange(length, device=device)
        mask = at < there[:, None]  # [B, T]
        shown = mask
        if look.hide:
            u = torch.from_numpy(params["window"][:, v, 1:].astype(np.float32)).to(device)
            hidden = (u[:, 0] * look.hide * there).floor()  # [B]
            first = (u[:, 1] * (there - hidden + 1)).floor()
            shown = mask & ~((at >= first[:, None]) & (at < (first + hidden)[:, None]))
        return x * shown[:, None], mask


def windows(rows: Rows, start: NDArray[np.int64], length: int) -> NDArray[np.float32]:
    """Return the samples start to start + length of each series, [B, C, T], with zeros behind its end."""
    if isinstance(rows, np.ndarray) and rows.shape[2] == length:
        return np.ascontiguousarray(rows)
    found = np.zeros((len(rows), rows[0].shape[0] if len(rows) else 0, length), np.float32)
    for out, row, first in zip(found, rows, start.tolist(), strict=True):
        part = row[:, first : first + length]
        out[:, : part.shape[1]] = part
    return found


def normals(seed: int, stream: int, index: Index, epoch: int, view: int, n: int) -> NDArray[np.float32]:
    """Return n normal numbers for each sample and one view, float32 [B, n] (Box and Muller 1958), see `uniforms`."""
    u = uniforms(seed, stream, index, epoch, np.array([view]), n + n % 2, np.float32)[:, 0]  # [B, n]
    radius, angle = np.split(u, 2, 1)
    radius = np.sqrt(-2 * np.log1p(-np.minimum(radius, np.float32(1 - 2**-24))))
    both = np.concatenate([radius * np.cos(2 * np.pi * angle), radius * np.sin(2 * np.pi * angle)], 1)
    return np.asarray(both[:, :n], np.float32)


@final
class OneView(Views):
    """The view "signal" of each series, float32 [B, C, T], with "mask" [B, T] unless `masked` is False."""

    def __init__(self, input: Mapping[str, Any], look: Look, masked: bool = True) -> None:
        self.views, self.masked = SignalViews(input, signal=look), masked

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return what `SignalViews` draw; nothing for the middle of the series as they are."""
        return {} if self.views.looks == [PLAIN] else self.views.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the series on `device`, cropped, or padded at the end."""
        batch = self.views.apply(raw, params, device)
        mask = {"mask": batch.pop("signal_mask")}
        return {"signal": batch.pop("signal"), **(mask if self.masked else {}), **batch}


PLAIN = Look(centred=True)
"""The series as they are; of longer ones the middle."""


def plain(input: Mapping[str, Any]) -> OneView:
    """Return the view "signal" without augmentation, and its "mask"."""
    return OneView(input, PLAIN)


def raw(input: Mapping[str, Any]) -> OneView:
    """Return the view that gives the numbers: that of `plain`, without its mask."""
    return OneView(input, PLAIN, masked=False)


@final
class HalfViews(Views):
    """Views "first" and "second": the past and the future of one random window, [B, C, T / 2] each, with their masks.

    Of a series that is shorter than the window, each is half of the series; padding is at the end of both.
    """

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.whole = SignalViews(input, whole=Look(scale=0.2, noise=0.05))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of the window."""
        return self.whole.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the halves on `device`; of an odd number of samples the past has one less."""
        batch = self.whole.apply(raw, params, device)
        whole, there = batch.pop("whole"), batch.pop("whole_mask").sum(1)  # [B, C, T], [B]
        at = torch.arange(-(-whole.shape[2] // 2), device=device)
        ends = there // 2
        made: Batch = {}
        for name, start, length in (("first", ends * 0, ends), ("second", ends, there - ends)):
            mask = at < length.clamp(min=1)[:, None]  # [B, T / 2]
            place = (start[:, None] + at).clamp(max=whole.shape[2] - 1)
            half = whole.gather(2, place[:, None].expand(-1, whole.shape[1], -1))
            made |= {name: half * mask[:, None], f"{name}_mask": mask}
        return {**made, **batch}


def halves(input: Mapping[str, Any]) -> HalfViews:
    """Return the views "first" and "second": the past and the future of each series."""
    return HalfViews(input)


def crop(encoder: Encoder) -> OneView:
    """Return the view "signal", a random window of full length, of other heights and with noise, and its "mask"."""
    return OneView(encoder.spec["input"], Look(scale=0.2, noise=0.05))


def augment(input: Mapping[str, Any]) -> SignalViews:
    """Return two random views, "first" and "second": windows of 80%, other heights, noise, and a hidden stretch."""
    look = Look(crop=0.8, scale=0.3, noise=0.1, hide=0.2)
    return SignalViews(input, first=look, second=look)


def show(name: str, values: Any, input: Mapping[str, Any]) -> Curves | None:
    """Return curves of raw series, [C, T] each, or of a view's float [B, C, T], in the units of the data."""
    if isinstance(values, Tensor):
        fits = values.ndim == 3 and values.shape[1] == len(input["mean"]) and values.is_floating_point()
        return Curves(name, list(denormalise(values, input))) if fits else None
    whole = all(isinstance(one, np.ndarray) and one.ndim == 2 for one in values)
    return Curves(name, [np.asarray(one) for one in values]) if whole else None


def denormalise(tensor: Tensor, input: Mapping[str, Any]) -> NDArray[np.float32]:
    """Convert a view's float [B, C, T] to the units of the data, float32 [B, C, T]."""
    mean, std = (torch.tensor(input[key], dtype=torch.float32).view(-1, 1) for key in ("mean", "std"))
    found: NDArray[np.float32] = (tensor.detach().float().cpu() * std + mean).numpy()
    return found
