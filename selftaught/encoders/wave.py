"""Strided convolutions along time, for series of any length and for sound, with or without a recurrent context."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import Pool, pooled_width, take_fitting
from selftaught.parts.norm import BatchNorm1d

Norm = Literal["channel", "batch", "none"]
DEFAULT = (5, 3, 3)
"""Kernels for series of at least `SHORT` samples; shorter ones go without the last."""
SHORT = 48
SOUND = {"kernels": (10, 8, 4, 4, 4), "strides": (5, 4, 2, 2, 2)}
"""For sound, which is told by the rate in the encoder's input."""
SMALL = {"width": 12}
"""Arguments of a small encoder for quick trials."""


@final
class Wave(Encoder):
    """1-D convolutions with strides, each with normalisation and ReLU: [B, C, T] becomes [B, width, T / stride].

    With kernels k_i, strides s_i and S_i = s_1 ... s_i, a position sees ``1 + sum_i (k_i - 1) S_(i-1)`` samples
    (`receptive_field`), and the next one sees those S_n samples later (`stride`). The defaults see 17 samples every 8,
    and in series of a few dozen samples 9 every 4. For sound they are the network of van den Oord et al. 2018 (arXiv
    1807.03748), kernels 10, 8, 4, 4, 4 and strides 5, 4, 2, 2, 2: 465 samples every 160, which at 16 kHz is a position
    each 10 ms. There all convolutions but the first start as averages over time of random mixtures of their channels
    (He et al. 2015, arXiv 1502.01852, over the channels; a Hann window over time). So the codes start as how loud
    random bands of frequencies are. Codes of independent weights follow the phase of the wave instead, so that none of
    them says anything of a later one, and learning to predict takes long to begin.

    A recurrent context (a GRU of `context` units) reads the codes in order, so that a position knows everything before
    it, and nothing after.

    What a series is padded with does not change its features: where the mask is False, every layer gives zeros.

    Args:
        width: Channels of every convolution.
        kernels: Samples, or positions of the layer before, that each convolution sees. By default 5, 3 and 3, and for
            series of fewer than 48 samples 5 and 3; for sound 10, 8, 4, 4 and 4.
        strides: Steps of each convolution. By default 2 each; for sound 5, 4, 2, 2 and 2.
        context: Units of the recurrent context. 0 = none: the codes are the features.
        pool: mean and max pool over the positions; flatten keeps them.
        norm: batch; channel, over the channels of each position by itself, as Riviere et al. 2020 (arXiv 2002.02848)
            do in place of batch norm, through which positions know of each other; or none.
        pad: Pad both ends of a layer's input with zeros, so that every stride has a position; or see whole windows
            only.
    """

    sees = ("signal", "audio")

    def __init__(
        self,
        input: dict[str, Any],
        width: int = 64,
        kernels: tuple[int, ...] = (),
        strides: tuple[int, ...] = (),
        context: int = 0,
        pool: Pool = "mean",
        norm: Norm = "batch",
        pad: bool = True,
    ) -> None:
        super().__init__()
        if "rate" in input and not kernels and not strides:
            kernels, strides = SOUND["kernels"], SOUND["strides"]
        layers = len(DEFAULT) - (input["length"] < SHORT)
        kernels = tuple(kernels) or DEFAULT[: len(strides) or layers]
        strides = tuple(strides) or (2,) * len(kernels)
        if width < 1 or context < 0:
            raise UserError(f"width of encoder wave must be at least 1 and context at least 0, not {width}, {context}")
        if len(kernels) != len(strides) or min(*kernels, *strides) < 1:
            raise UserError(
                f"encoder wave needs as many kernels as strides, all at least 1, not {kernels} and {strides}"
            )
        if any(s > k for k, s in zip(kernels, strides, strict=True)):
            raise UserError(f"no stride of encoder wave may be above its kernel, as in {kernels} and {strides}")
        if norm not in get_args(Norm):
            raise UserError(f"norm of encoder wave must be one of {', '.join(get_args(Norm))}, not '{norm}'")
        self.spec = {
            "name": "wave", "input": input, "width": width, "kernels": list(kernels), "strides": list(strides),
            "context": context, "pool": pool, "norm": norm, "pad": pad,
        }  # fmt: skip
        self.kernels, self.strides, self.pool, self.pad = kernels, strides, pool, pad
        self.receptive_field, self.stride = 1, 1
        for k, s in zip(kernels, strides, strict=True):
            self.receptive_field += (k - 1) * self.stride
            self.stride *= s
        if not pad and input["length"] < self.receptive_field:
            raise UserError(
                f"a position of encoder wave sees {self.receptive_field} samples, but the series have "
                f"{input['length']}: set pad to true, or choose smaller kernels and strides"
            )
        widths = [int(input["channels"]), *[width] * len(kernels)]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(a, b, k, s, bias=norm != "batch")
            for (a, b), k, s in zip(pairwise(widths), kernels, strides, strict=True)
        )
        if "rate" in input:
            for convolution in list(self.convolutions)[1:]:
                _average(convolution)
        self.norms = nn.ModuleList(_norm(norm, width) for _ in kernels)
        self.codes, self.features = width, context or width
        self.reader = Context(width, context) if context else None
        self.positions = self.count(int(input["length"]))
        self.dim = pooled_width(pool, context or width, self.positions)

    def counts(self, samples: int) -> list[int]:
        """Return the number of positions of every layer, at least 1, for a series of so many samples."""
        found = []
        for k, s in zip(self.kernels, self.strides, strict=True):
            samples = -(-samples // s) if self.pad else max((samples - k) // s + 1, 1)
            found.append(samples)
        return found

    def count(self, samples: int) -> int:
        """Return the number of positions of the last layer."""
        return self.counts(samples)[-1]

    def encode(self, x: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """Return the codes of every convolution, [B, width, t]. mask: bool [B, T], False at padding."""
        there = None if mask is None else mask.sum(1)  # [B]: samples, then positions, of each series
        found = []
        for convolution, norm, k, s in zip(self.convolutions, self.norms, self.kernels, self.strides, strict=True):
            x = norm(convolution(self._padded(x, k, s))).relu()
            if there is not None:
                there = -(-there // s) if self.pad else ((there - k) // s + 1).clamp(min=1)
                x = x * _within(there, x)
            found.append(x)
        return found

    def _padded(self, x: Tensor, kernel: int, stride: int) -> Tensor:
        if not self.pad:
            return x
        left = (kernel - stride) // 2  # the same for every length, so that padding behind a series changes nothing
        right = (math.ceil(x.shape[2] / stride) - 1) * stride + kernel - left - x.shape[2]
        return F.pad(x, (left, max(right, 0)))

    def layers(self, x: Tensor, mask: Tensor | None = None, **_: Tensor) -> list[Tensor]:
        """Return one [B, width, t] per convolution, then the context, [B, context, t], if there is one."""
        found = self.encode(x, mask)
        if self.reader is not None:
            read = self.reader(found[-1])
            found.append(read if mask is None else read * _within(self.there(mask), read))
        return found

    def forward(self, x: Tensor, mask: Tensor | None = None, **_: Tensor) -> Tensor:
        """Map series [B, C, T] of any length T to features [B, dim], pooled over the positions of the series alone.

        With pool flatten, positions are averaged or repeated to the expected number.
        """
        features = self.layers(x, mask)[-1]
        if self.pool == "flatten":
            if features.shape[2] != self.positions:
                features = F.adaptive_avg_pool1d(features, self.positions)
            return features.flatten(1)
        if mask is None:
            return features.mean(2) if self.pool == "mean" else features.amax(2)
        there = self.there(mask)
        if self.pool == "mean":
            return features.sum(2) / there[:, None]
        return features.masked_fill(~_within(there, features), -torch.inf).amax(2)

    def there(self, mask: Tensor) -> Tensor:
        """Return the number of positions of each series, int64 [B], at least 1."""
        there = mask.sum(1)
        for k, s in zip(self.kernels, self.strides, strict=True):
            there = -(-there // s) if self.pad else ((there - k) // s + 1).clamp(min=1)
        return there.clamp(min=1)


def unmixed(encoder: Wave) -> Wave:
    """Return an encoder whose codes know nothing of each other: the same, or with channel norm in place of batch norm.

    The new one has the weights of `encoder` where they fit.
    """
    if encoder.spec["norm"] != "batch":
        return encoder
    arguments = {name: value for name, value in encoder.spec.items() if name != "name"}
    found = Wave(**{**arguments, "norm": "channel"})
    take_fitting(found, encoder)
    return found


def _within(there: Tensor, x: Tensor) -> Tensor:
    """Return which positions of x [B, D, t] are among the first `there` [B]: bool [B, 1, t]."""
    return (torch.arange(x.shape[2], device=x.device) < there[:, None])[:, None]


def _average(convolution: nn.Module) -> None:
    """Let a convolution start as an average over time; see `Wave`."""
    assert isinstance(convolution, nn.Conv1d)
    window = torch.hann_window(convolution.kernel_size[0] + 2, periodic=False)[1:-1]
    mixture = torch.randn(convolution.out_channels, convolution.in_channels, 1)
    mixture -= mixture.mean(1, keepdim=True)  # channels are never negative: what all have in common is taken off
    with torch.no_grad():
        convolution.weight.copy_(mixture * math.sqrt(2 / convolution.in_channels) * window / window.sum())
        if convolution.bias is not None:
            convolution.bias.zero_()


@final
class Context(nn.Module):
    """A GRU along the positions: codes [B, D, t] to contexts [B, units, t]. Position i depends on 0 to i alone."""

    def __init__(self, codes: int, units: int) -> None:
        super().__init__()
        self.gru = nn.GRU(codes, units, batch_first=True)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the contexts."""
        found: Tensor = self.gru(codes.transpose(1, 2))[0]
        return found.transpose(1, 2)


@final
class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of each position over its channels, [B, D, t]."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised positions."""
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


def _norm(kind: Norm, width: int) -> nn.Module:
    return ChannelNorm(width) if kind == "channel" else BatchNorm1d(width) if kind == "batch" else nn.Identity()
