"""Denoising autoencoder of images."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.encoders.mlp import MLP
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts.layers import shape_of
from selftaught.parts.mirror import Mirror
from selftaught.parts.shown import Pictures
from selftaught.parts.upward import Upward
from selftaught.views.corruption import Damage, Noise
from selftaught.views.image import denormalise

Loss = Literal["l2", "cross_entropy"]


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
        self.decoder = self._decoder(encoder, tied)
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

    @staticmethod
    def _decoder(encoder: Encoder, tied: bool) -> Mirror | Upward:
        seen = encoder.spec["input"]
        if isinstance(encoder, MLP):
            return Mirror([*encoder.linears], tied)
        shape = shape_of(encoder.local, encoder, seen)
        if tied or len(shape) != 3:
            raise UserError(
                f"tied weights of denoising need encoder mlp, not {encoder.spec['name']}: use mlp, or set tied to false"
            )
        return Upward(shape, seen["channels"], seen["size"])

    def rebuild(self, corrupt: Tensor) -> Tensor:
        """Reconstruct [B, C, S, S] in [0, 1] units: pixels for l2, logits for cross_entropy."""
        code = self.encoder.local((corrupt - self.mean) / self.std)
        if isinstance(self.decoder, Mirror):
            assert isinstance(self.encoder, MLP)
            z: Tensor = self.decoder(code, [*self.encoder.linears], self.encoder.activation).view_as(corrupt)
        else:
            z = self.decoder(code)
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
