"""Denoising autoencoder of series."""

from __future__ import annotations

from typing import Any, ClassVar, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.wave import ChannelNorm, Wave
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts.shown import Curves
from selftaught.views.gaps import Gaps, Noise
from selftaught.views.signal import denormalise


@final
class Denoising(Method):
    """Denoising autoencoder: reconstruct a clean series from a corrupted copy.

    Vincent, Larochelle, Bengio, Manzagol, ICML 2008, "Extracting and Composing Robust Features with Denoising
    Autoencoders"; emphasis from Vincent et al., JMLR 2010. To fill in missing stretches, the code must learn how
    moments, and channels, depend on each other. Copying the input would not need this.

    With x the standardised series, x~ its corrupted copy, J the corrupted coordinates and z the decoder's output::

        L = a sum_{j in J} (x_j - z_j)^2 + b sum_{j not in J} (x_j - z_j)^2

    masking: stretches of `span` samples, each channel's own, are set to the mean; a part `level` of the coordinates is
    in J. gaussian: x~ = x + level * N(0, I), every coordinate is in J. Padding is in neither sum. The corruption is
    drawn anew in every epoch and used only in training: features are computed from clean series.

    Shapes: clean, corrupt, damage (bool, True in J) and the reconstruction are [B, C, T]. The loss sums over
    coordinates and averages over series.

    Departures: single coordinates of a series follow from their neighbours, so stretches of them are masked (span 1 is
    the paper's); series are not in [0, 1], so the loss is the squared error and there is no salt and pepper; the
    decoder mirrors the encoder with transposed convolutions, where the paper has one hidden layer with tied weights;
    the recipe is AdamW instead of plain SGD.

    Args:
        noise: Type of corruption: masking or gaussian.
        level: The corrupted part, or the standard deviation of gaussian noise in those of the channel.
        span: Samples of a masked stretch. No effect with gaussian noise.
        alpha: Weight of the corrupted coordinates.
        beta: Weight of the other coordinates. 0 is full emphasis. No effect with gaussian noise.
        crop: Length of the random window that is seen, as a part of the encoder's input.

    Raises:
        UserError: An argument is out of range, or the decoder cannot mirror the encoder.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 32, "lr": 2e-3, "minutes": 1.5}
    effects: ClassVar[dict[str, Any]] = {"beta": {"noise": ("masking",)}, "span": {"noise": ("masking",)}}

    def __init__(
        self,
        encoder: Encoder,
        noise: Noise = "masking",
        level: float = 0.4,
        span: int = 8,
        alpha: float = 1.0,
        beta: float = 0.5,
        crop: float = 0.9,
    ) -> None:
        super().__init__()
        if noise not in get_args(Noise):
            raise UserError(f"noise of denoising must be one of {', '.join(get_args(Noise))}, not '{noise}'")
        if level < 0 or (level > 1 and noise != "gaussian"):
            raise UserError(f"level of denoising must be in [0, 1] (gaussian: at least 0), not {level}")
        if alpha < 0 or beta < 0:
            raise UserError(f"alpha and beta of denoising must be at least 0, not {alpha} and {beta}")
        if not isinstance(encoder, Wave):
            raise UserError(f"denoising of signals needs encoder wave, not {encoder.spec['name']}")
        self.encoder: Wave = encoder
        self.views = Gaps(encoder.spec["input"], noise, level, span, crop)
        self.decoder = Decoder(encoder, int(encoder.spec["input"]["channels"]))
        self.alpha, self.beta = alpha, beta

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "decoder", "corrupt", "clean")}

    def forward(self, clean: Tensor, corrupt: Tensor, damage: Tensor, clean_mask: Tensor, **_: Any) -> Outputs:
        """Return the emphasised loss, and the mean squared "error" at corrupted coordinates.

        "untouched" is the same error for the corrupted series itself.
        """
        z = self.rebuild(corrupt, clean_mask)
        weight = torch.where(damage, self.alpha, self.beta) * clean_mask[:, None]
        loss = ((clean - z) ** 2 * weight).sum() / len(clean)
        with torch.no_grad():
            count = damage.sum().clamp(min=1)
            error = ((z - clean) ** 2 * damage).sum() / count
            untouched = ((corrupt - clean) ** 2 * damage).sum() / count
        return {"loss": loss, "error": error, "untouched": untouched}

    def rebuild(self, corrupt: Tensor, mask: Tensor) -> Tensor:
        """Reconstruct [B, C, T] from the last features, codes or contexts."""
        samples = corrupt.shape[2]
        z: Tensor = self.decoder(self.encoder.layers(corrupt, mask)[-1], [samples, *self.encoder.counts(samples)[:-1]])
        return z

    def show(self, clean: Tensor, corrupt: Tensor, clean_mask: Tensor, **_: Any) -> list[Curves]:
        """Show clean, corrupted and reconstructed series, without padding."""
        seen, ends = self.encoder.spec["input"], clean_mask.sum(1).tolist()
        rows = {"clean": clean, "damaged": corrupt, "rebuilt": self.rebuild(corrupt, clean_mask)}
        shown = {name: zip(denormalise(x, seen), ends, strict=True) for name, x in rows.items()}
        return [Curves(name, [one[:, :end] for one, end in curves]) for name, curves in shown.items()]


@final
class Decoder(nn.Module):
    """The mirror of an encoder: transposed convolutions of its kernels and strides, the last to `channels`."""

    def __init__(self, encoder: Wave, channels: int) -> None:
        super().__init__()
        widths = [encoder.features, *[encoder.codes] * (len(encoder.kernels) - 1), channels]
        pairs = list(zip(reversed(encoder.kernels), reversed(encoder.strides), strict=True))
        self.layers = nn.ModuleList(
            nn.ConvTranspose1d(a, b, k, s) for a, b, (k, s) in zip(widths, widths[1:], pairs, strict=False)
        )
        self.norms = nn.ModuleList(ChannelNorm(width) for width in widths[1:-1])
        self.left = [(k - s) // 2 if encoder.pad else 0 for k, s in pairs]

    def forward(self, code: Tensor, lengths: list[int]) -> Tensor:
        """Map [B, D, t] to [B, C, T], by way of `lengths`: T, and the encoder's positions but the last."""
        for i, (layer, left, length) in enumerate(zip(self.layers, self.left, reversed(lengths), strict=True)):
            code = layer(code)[:, :, left : left + length]
            code = F.pad(code, (0, length - code.shape[2]))  # samples behind the last whole window
            if i < len(self.norms):
                code = self.norms[i](code).relu()
        return code
