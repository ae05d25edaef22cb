"""Denoising autoencoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.mlp import MLP
from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Encoder, Index, Method, Outputs, Params, Raw, Terms, Views
from selftaught.parts.layers import norm2d, shape_of
from selftaught.parts.shown import Pictures
from selftaught.views.image import denormalise, plain

Noise = Literal["gaussian", "masking", "salt_and_pepper"]
Loss = Literal["l2", "cross_entropy"]

STREAM = 0x6E6F697365  # separates the noise from other views' random numbers


@final
class Denoising(Method):
    """Denoising autoencoder: reconstruct a clean image from a corrupted copy.

    Vincent, Larochelle, Bengio, Manzagol, ICML 2008, "Extracting and Composing Robust Features with Denoising
    Autoencoders"; emphasis and salt and pepper from Vincent et al., JMLR 2010. To fill in missing parts, the code must
    learn how the parts of an image depend on each other. Copying the input would not need this.

    With x in [0, 1]^d, x~ its corrupted copy, J the corrupted coordinates and z the decoder's output (a logit for
    cross-entropy)::

        l2:             L = a sum_{j in J} (x_j - z_j)^2 + b sum_{j not in J} (x_j - z_j)^2
        cross_entropy:  the same sums over -( x_j log s(z_j) + (1 - x_j) log(1 - s(z_j)) ), s the logistic function

    gaussian: x~ = x + level * N(0, I), every coordinate is in J. masking: a random fraction `level` of the coordinates
    is set to 0. salt_and_pepper: a random fraction `level` is set to 0 or 1 with equal probability. A coordinate is one
    channel of one pixel. The corruption is drawn anew in every epoch and used only in training: features are computed
    from clean images.

    Shapes: clean, corrupt and the reconstruction are [B, C, S, S] in units of full brightness = 1; mask is bool, True
    in J. The loss sums over coordinates and averages over images.

    Defaults: masking of a quarter with cross-entropy, as in the paper; alpha 1, beta 0.5 is the mild emphasis of JMLR
    2010. Departures: the decoder of an encoder with positions mirrors it with transposed 3x3 convolutions (the paper
    has one hidden layer: encoder mlp with depth 1, activation sigmoid, tied); the recipe is AdamW instead of plain SGD.

    Args:
        noise: Type of corruption: gaussian, masking or salt_and_pepper.
        level: Standard deviation of gaussian noise, or the corrupted fraction for the other types.
        loss: Reconstruction loss. l2 uses a linear output, cross_entropy a sigmoid output.
        alpha: Weight of the corrupted coordinates.
        beta: Weight of the other coordinates. 0 is full emphasis. No effect with gaussian noise.
        tied: Use the encoder's transposed weights in the decoder. Only for encoder mlp.

    Raises:
        UserError: An argument is out of range, or the decoder cannot mirror the encoder.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 1e-3, "minutes": 1.5}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {"beta": {"noise": ("masking", "salt_and_pepper")}}

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: Encoder,
        noise: Noise = "masking",
        level: float = 0.25,
        loss: Loss = "cross_entropy",
        alpha: float = 1.0,
        beta: float = 0.5,
        tied: bool = False,
    ) -> None:
        super().__init__()
        if noise not in get_args(Noise) or loss not in get_args(Loss):
            raise UserError(
                f"noise of denoising must be one of {', '.join(get_args(Noise))} and loss one of "
                f"{', '.join(get_args(Loss))}, "
                f"not '{noise}' and '{loss}'"
            )
        if level < 0 or (level > 1 and noise != "gaussian"):
            raise UserError(f"level of denoising must be in [0, 1] (gaussian: at least 0), not {level}")
        if alpha < 0 or beta < 0:
            raise UserError(f"alpha and beta of denoising must be at least 0, not {alpha} and {beta}")
        self.encoder = encoder
        self.views = Damage(encoder.spec["input"], noise, level)
        self.decoder = Mirror(encoder, tied) if isinstance(encoder, MLP) else Upward(encoder, tied)
        self.loss, self.alpha, self.beta = loss, alpha, beta
        self.register_buffer("mean", torch.tensor(encoder.spec["input"]["mean"]).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(encoder.spec["input"]["std"]).view(-1, 1, 1))

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "decoder", "corrupt", "clean")}

    def forward(self, clean: Tensor, corrupt: Tensor, mask: Tensor, **_: Any) -> Outputs:
        """Return the emphasised loss, and the mean squared "error" at corrupted coordinates.

        "untouched" is the same error for the corrupted image itself.
        """
        z = self.rebuild(corrupt)
        loss = emphasised(self.loss, z, clean, mask, self.alpha, self.beta)
        with torch.no_grad():
            rebuilt = z.sigmoid() if self.loss == "cross_entropy" else z
            count = mask.sum().clamp(min=1)
            error = ((rebuilt - clean) ** 2 * mask).sum() / count
            untouched = ((corrupt - clean) ** 2 * mask).sum() / count
        return {"loss": loss, "error": error, "untouched": untouched}

    def rebuild(self, corrupt: Tensor) -> Tensor:
        """Reconstruct [B, C, S, S] in [0, 1] units: pixels for l2, logits for cross_entropy."""
        z: Tensor = self.decoder(self.encoder.local((corrupt - self.mean) / self.std), self.encoder)
        return z

    def show(self, clean: Tensor, corrupt: Tensor, **_: Any) -> list[Pictures]:
        """Show clean, corrupted and reconstructed images."""
        z, seen = self.rebuild(corrupt), self.encoder.spec["input"]
        rows = {"clean": clean, "damaged": corrupt, "rebuilt": z.sigmoid() if self.loss == "cross_entropy" else z}
        return [Pictures(name, list(denormalise((x - self.mean) / self.std, seen))) for name, x in rows.items()]


def emphasised(kind: Loss, z: Tensor, x: Tensor, mask: Tensor, alpha: float, beta: float) -> Tensor:
    """Return the loss of `Denoising`, a scalar: summed over coordinates and averaged over the batch.

    z, x and mask (bool) are [B, ...].
    """
    each = (x - z) ** 2 if kind == "l2" else F.binary_cross_entropy_with_logits(z, x, reduction="none")
    return (each * torch.where(mask, alpha, beta)).sum() / len(x)


def damaged(kind: Noise, x: Tensor, noise: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """Return the corrupted copy x~ of x [B, ...] and the mask of corrupted coordinates.

    `noise` has the shape of x: normal numbers for gaussian, uniform numbers in [0, 1) for the others.
    """
    if kind == "gaussian":
        return x + level * noise, torch.full_like(x, level > 0, dtype=torch.bool)
    mask = noise < level
    kept = x * ~mask  # twice as fast as masked_fill
    return kept if kind == "masking" else kept + (noise < level / 2), mask


@final
class Damage(Views):
    """Views "clean", "corrupt" and "mask": the clean image, its corrupted copy and the mask of the corruption."""

    def __init__(self, input: Mapping[str, Any], kind: Noise, level: float) -> None:
        self.plain, self.kind, self.level = plain(input), kind, level
        self.shape = (input["channels"], input["size"], input["size"])
        self.mean, self.std = (torch.tensor(input[key]).view(-1, 1, 1) for key in ("mean", "std"))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the plain view's parameters and "noise", float32 [B, C, S, S]; see `damaged`."""
        d = int(np.prod(self.shape))
        if self.kind == "gaussian":  # Box and Muller 1958
            u = uniforms(seed, STREAM, index, epoch, np.arange(2), d)
            noise = (np.sqrt(-2 * np.log1p(-u[:, 0])) * np.cos(2 * np.pi * u[:, 1])).astype(np.float32)
        else:
            noise = uniforms(seed, STREAM, index, epoch, np.arange(1), d, np.float32)
        return {**self.plain.sample(index, epoch, seed), "noise": noise.reshape(-1, *self.shape)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        batch = self.plain.apply(raw, {k: v for k, v in params.items() if k != "noise"}, device)
        clean = (batch.pop("image") * self.std.to(device)).add_(self.mean.to(device)).clamp_(0, 1)
        corrupt, mask = damaged(self.kind, clean, torch.from_numpy(params["noise"]).to(device), self.level)
        return {**batch, "clean": clean, "corrupt": corrupt, "mask": mask}


@final
class Upward(nn.Module):
    """Transposed convolutions: each doubles the side and halves the channels (to at least 16).

    The last gives C channels.
    """

    def __init__(self, encoder: Encoder, tied: bool) -> None:
        super().__init__()
        size, out = encoder.spec["input"]["size"], encoder.spec["input"]["channels"]
        shape = shape_of(encoder.local, encoder, encoder.spec["input"])
        if tied or len(shape) != 3:
            raise UserError(
                f"tied weights of denoising need encoder mlp, not {encoder.spec['name']}: use mlp, or set tied to false"
            )
        steps = max(math.ceil(math.log2(size / shape[1])), 1)
        sides = [-(-size // 2 ** (steps - i)) for i in range(steps + 1)]  # 28 pixels from 4x4: 4, 7, 14, 28
        widths = [max(shape[0] >> i, min(shape[0], 16)) for i in range(steps)]
        self.first = sides[0]
        self.layers = nn.Sequential()
        for i, (before, after) in enumerate(pairwise([*widths, out])):
            # For an odd side, the last row and column of 2 * side are dropped.
            self.layers.append(nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1 - sides[i + 1] % 2))
            if i < steps - 1:
                self.layers.extend([norm2d("batch", after), nn.ReLU()])

    def forward(self, code: Tensor, encoder: Encoder) -> Tensor:
        """Map [B, D, h, w] to [B, C, S, S]."""
        z: Tensor = self.layers(F.interpolate(code, size=(self.first, self.first)))
        return z


@final
class Mirror(nn.Module):
    """The layers of `MLP` in reverse, with their own weights or the encoder's transposed weights (tied)."""

    def __init__(self, encoder: MLP, tied: bool) -> None:
        super().__init__()
        shapes = [(m.in_features, m.out_features) for m in reversed(encoder.linears) if isinstance(m, nn.Linear)]
        linears = [nn.Linear(before, after) for after, before in shapes]
        self.biases = nn.ParameterList(m.bias for m in linears)
        self.weights = nn.ParameterList() if tied else nn.ParameterList(m.weight for m in linears)

    def forward(self, code: Tensor, encoder: MLP) -> Tensor:
        """Map [B, D] to [B, C, S, S]."""
        weights = list(self.weights) or [m.weight.T for m in reversed(encoder.linears)]
        for i, (weight, bias) in enumerate(zip(weights, self.biases, strict=True)):
            code = F.linear(code if i == 0 else encoder.activation(code), weight, bias)
        size = encoder.spec["input"]["size"]
        return code.view(len(code), -1, size, size)
