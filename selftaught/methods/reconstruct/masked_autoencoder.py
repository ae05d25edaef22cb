"""Masked autoencoder (MAE)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.vit import Block, ViT, patches_of
from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Encoder, Index, Method, Outputs, Params, Raw, Views
from selftaught.parts.chosen import chosen
from selftaught.parts.positions import sincos
from selftaught.parts.shown import Pictures
from selftaught.views.image import Augment, ImageViews, denormalise

STREAM = 0x6D61736B  # separates the masks from other views' random numbers


@final
class MaskedAutoencoder(Method):
    """Masked autoencoder: hide most patches of an image, encode the rest, and predict the pixels of the hidden ones.

    He, Chen, Xie, Li, Dollar, Girshick, CVPR 2022 (arXiv 2111.06377), "Masked Autoencoders Are Scalable Vision
    Learners". With three quarters hidden, neighbours alone do not give the answer: the encoder must recognise what the
    image shows. It never sees the hidden patches, so a step costs a fraction of one on whole images; a small decoder,
    which is discarded, gets the encoded patches and one learned token in place of each hidden one, all with positions.

    With p_j the pixels of patch j, y_j the prediction and H the hidden patches of all images::

        L = 1/|H| sum_{j in H} 1/d ||y_j - t_j||^2,  t_j = (p_j - mean(p_j)) / sqrt(var(p_j) + 1e-6), or p_j

    where d is the number of pixels times channels of a patch. Which patches are hidden is drawn for each image anew in
    every epoch, uniformly, and always as many.

    Shapes: image is [B, C, S, S], normalised as the encoder expects; keep and hidden are int64 [B, V] and [B, H], the
    numbers of the visible and the hidden patches, together every patch once; patches and predictions are [B, P, d].

    Defaults are the paper's ratio, crops, mirror images, normalised targets and decoder of fixed sine and cosine
    positions. Departures: the decoder has 2 blocks of width 96 (the paper: 8 of 512, for an encoder of 12 of 768); the
    encoder's positions are its own, which are learned (the paper: fixed sines and cosines; ``--encoder.positions
    sincos`` starts from them); AdamW for minutes instead of 800 epochs, with betas (0.9, 0.95) and weight decay 0.05 as
    in the paper; features are the encoder's `pool` (the paper's classifier takes the class token or the mean).

    Args:
        ratio: Share of patches that are hidden, in (0, 1). At least one patch is hidden and one visible.
        normalise: Predict pixels that are normalised within each patch instead of the pixels themselves.
        width: Dimension of a token of the decoder, a multiple of 4.
        depth: Number of blocks of the decoder, at least 1.
        heads: Number of attention heads of the decoder. Must divide width.
        crop: Smallest area of the random crop, as a fraction of the image.
        flip: Probability of a horizontal flip.

    Raises:
        UserError: An argument is out of range, or the encoder cannot encode patches one by one (`ViT.visible`).
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 128, "lr": 2e-3, "minutes": 1.5, "betas": (0.9, 0.95), "weight_decay": 0.05, "warmup": 0.1,
    }  # fmt: skip
    sees = ("image",)
    network = "vit"

    encoder: ViT
    positions: Tensor

    def __init__(
        self,
        encoder: Encoder,
        ratio: float = 0.75,
        normalise: bool = True,
        width: int = 96,
        depth: int = 2,
        heads: int = 3,
        crop: float = 0.2,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        if not 0 < ratio < 1:
            raise UserError(f"ratio of masked_autoencoder must be greater than 0 and less than 1, not {ratio}")
        encoder = patches_of(encoder, "masked_autoencoder", 2, width, depth, heads)
        self.encoder, self.normalise = encoder, normalise
        self.views = Masks(encoder.spec["input"], Augment(crop=(crop, 1.0), flip=flip), encoder.side**2, ratio)
        self.embed = nn.Linear(encoder.dim, width)
        self.token = nn.Parameter(torch.empty(1, 1, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)), nn.LayerNorm(width, eps=1e-6))
        self.predict = nn.Linear(width, encoder.spec["input"]["channels"] * encoder.patch**2)
        self.register_buffer("positions", sincos(width, encoder.side, encoder.side))
        nn.init.normal_(self.token, std=0.02)
        for m in (m for part in (self.embed, self.blocks, self.predict) for m in part.modules()):
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, image: Tensor, keep: Tensor, hidden: Tensor, **_: Any) -> Outputs:
        """Return the mean squared error on hidden patches, also as "error".

        "guess" is the error of the best guess without looking: the mean of the targets of all hidden patches.
        """
        predicted = chosen(self.rebuild(image, keep, hidden), hidden)  # [B, H, d]
        target = chosen(patches(image, self.encoder.patch), hidden)
        if self.normalise:
            target = (target - target.mean(2, keepdim=True)) / (target.var(2, keepdim=True) + 1e-6).sqrt()
        loss = F.mse_loss(predicted, target)
        return {"loss": loss, "error": loss.detach(), "guess": target.var(unbiased=False)}

    def rebuild(self, image: Tensor, keep: Tensor, hidden: Tensor) -> Tensor:
        """Predict all patches from the visible ones: [B, C, S, S] to [B, P, d], row by row."""
        seen = self.embed(self.encoder.visible(image, keep))  # [B, 1 + V, width]
        shuffled = torch.cat([seen[:, 1:], self.token.expand(*hidden.shape, -1)], 1)
        restore = torch.cat([keep, hidden], 1).argsort(1)  # the place of patch 0, 1, 2, ... in `shuffled`
        x = torch.cat([seen[:, :1], chosen(shuffled, restore) + self.positions], 1)  # the class token, without position
        y: Tensor = self.predict(self.blocks(x)[:, 1:])
        return y

    def show(self, image: Tensor, keep: Tensor, hidden: Tensor, **_: Any) -> list[Pictures]:
        """Show images, what the encoder saw of them, and the rebuilt patches beside the visible ones."""
        true, predicted = patches(image, self.encoder.patch), self.rebuild(image, keep, hidden)
        if self.normalise:  # brightness and contrast of each patch are not predicted: they are the true ones
            predicted = predicted * (true.var(2, keepdim=True) + 1e-6).sqrt() + true.mean(2, keepdim=True)
        here = hidden[:, :, None].expand(-1, -1, true.shape[2])
        blank, filled = true.scatter(1, here, 0.0), true.scatter(1, here, chosen(predicted, hidden))
        name = "rebuilt (brightness and contrast of each patch given)" if self.normalise else "rebuilt"
        shown = {"image": true, "visible": blank, name: filled}
        seen = self.encoder.spec["input"]
        return [
            Pictures(k, list(denormalise(whole(v, seen["channels"], image.shape[2]), seen))) for k, v in shown.items()
        ]


def patches(image: Tensor, side: int) -> Tensor:
    """Cut [B, C, S, S] into patches, row by row: [B, P, C * side * side]. Padded with 0 like the encoder's patches."""
    padding = -image.shape[2] % side
    return F.unfold(F.pad(image, (0, padding, 0, padding)), side, stride=side).transpose(1, 2)


def whole(cut: Tensor, channels: int, size: int) -> Tensor:
    """Undo `patches`: [B, P, C * side * side] to [B, C, size, size]."""
    side = round((cut.shape[2] // channels) ** 0.5)
    padded = -(-size // side) * side
    return F.fold(cut.transpose(1, 2), padded, side, stride=side)[:, :, :size, :size]


@final
class Masks(Views):
    """Views "image", and "keep" and "hidden": which patches are visible and which are not."""

    def __init__(self, input: Mapping[str, Any], augment: Augment, count: int, ratio: float) -> None:
        self.image, self.count = ImageViews(input, image=augment), count
        self.visible = min(max(int(count * (1 - ratio)), 1), count - 1)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the image view's parameters and "patch", int64 [B, P]: a permutation, the visible patches first."""
        order = uniforms(seed, STREAM, index, epoch, np.arange(1), self.count)[:, 0].argsort(1)
        return {**self.image.sample(index, epoch, seed), "patch": order}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        batch = self.image.apply(raw, {k: v for k, v in params.items() if k != "patch"}, device)
        order = torch.from_numpy(params["patch"]).to(device)
        return {**batch, "keep": order[:, : self.visible], "hidden": order[:, self.visible :]}
