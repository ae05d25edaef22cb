"""Contrastive predictive coding of images, versions 1 and 2."""

from __future__ import annotations

import math
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders import patchwise
from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Terms
from selftaught.parts.gather import gather_with_gradient, rank
from selftaught.parts.info_nce import info_nce
from selftaught.parts.layers import Norm
from selftaught.views.augmentation import Augment
from selftaught.views.patches import Grid, PatchViews

TURNS = {1: (0,), 2: (0, 2), 4: (0, 1, 2, 3)}
TAG = 0x637063  # separates these random numbers from other uses of (seed, step)


@final
class CPC(Method):
    """Predict the codes of image patches from the context above them, with a contrastive loss.

    van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), "Representation Learning with Contrastive Predictive Coding", and
    Henaff, Srinivas, De Fauw, Razavi, Doersch, Eslami, van den Oord, ICML 2020 (arXiv 1905.09272), "Data-Efficient
    Image Recognition with Contrastive Predictive Coding" (v2). An image is cut into overlapping patches and each patch
    is encoded on its own. A masked convolutional network summarises the codes of all rows down to row i. From this
    context it must identify the true code some rows further down among codes of other places and images. This requires
    features that distant parts share; texture and noise do not help.

    With z_ij the code of the patch in row i and column j, c_ij = g({z_uv: u <= i}) and Z the candidates, z_i+k,j among
    them::

        f_k(z, c) = exp(z^T W_k c / sqrt(D))        L = -mean_ijk log( f_k(z_i+k,j, c_ij) / sum_{z in Z} f_k(z, c_ij) )

    k takes `steps` values, starting at the first whose patches share no pixel with row i, so that the answer cannot be
    copied: 2 if patches overlap by half. Version 2 also predicts from below, left and right, each with its own network
    and matrices.

    Shapes: patches is [B, rows, columns, C, p, p]; codes and contexts are [B, D, rows, columns]. For each step of
    training `negatives` of all ranks' codes are drawn, the same for every prediction. The target itself is never a
    negative.

    The encoder must not see beyond a patch. Any encoder other than `patchwise` is therefore rebuilt as the network of a
    `patchwise` encoder, with its weights where they fit, and that encoder is kept: the features of an image are its
    grid of codes. Batch norm would leak information between codes, so the network uses layer norm, as in version 2.

    Defaults are version 2; version 1 is directions 1, patch_flip 0, drop 0. Departures: scores are divided by sqrt(D);
    the loss is the mean over steps and directions, not the sum; a code is the mean of a patch's last features, without
    version 2's target projection; the context is `depth` residual blocks; a dropped colour becomes the mean; the
    default recipe is AdamW for a few minutes on a small network, in small batches, because each image gives as many
    examples as it has patches.

    Args:
        directions: 1 predicts downwards (v1), 2 also upwards, 4 also to the right and left (v2).
        steps: Number of distances that are predicted. Distances beyond the grid are skipped.
        negatives: Number of negative codes for each prediction, at most as many as there are.
        width: Channels inside the blocks of the context network.
        depth: Blocks of the context network. Each sees one row further.
        patch: Side of a patch in pixels. 0 = a quarter of the image's side, rounded up to an even number.
        stride: Pixels from one patch to the next. 0 = half a patch.
        norm: Normalisation in the patch network. Ignored if the given encoder is already `patchwise`.
        crop: Smallest area of the random crop that is cut into patches, as a fraction of the image.
        flip: Probability of a horizontal flip of the whole image.
        grey: Probability of converting the whole image to greyscale.
        patch_flip: Probability of a horizontal flip of each patch.
        drop: Probability of dropping two of the three colours of each patch.

    Raises:
        UserError: An argument is out of range, or the grid has too few rows to predict without overlap.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 16, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}

    def __init__(
        self,
        encoder: Encoder,
        directions: int = 4,
        steps: int = 3,
        negatives: int = 64,
        width: int = 32,
        depth: int = 2,
        patch: int = 0,
        stride: int = 0,
        norm: Norm = "layer",
        crop: float = 0.6,
        flip: float = 0.5,
        grey: float = 0.25,
        patch_flip: float = 0.5,
        drop: float = 0.5,
    ) -> None:
        super().__init__()
        if directions not in TURNS:
            raise UserError(f"directions of cpc must be 1, 2 or 4, not {directions}")
        if min(steps, negatives, width, depth) < 1:
            raise UserError(
                f"steps, negatives, width and depth of cpc must be at least 1, not {steps}, {negatives}, {width} "
                f"and {depth}"
            )
        self.encoder: patchwise.Patchwise = patchwise.of(encoder, patch, stride, norm)
        patch, stride = self.encoder.patch, self.encoder.stride
        self.views = PatchViews(
            encoder.spec["input"],
            Augment(crop=(crop, 1.0), flip=flip, grey=grey),
            Grid(patch, stride, flip=patch_flip, drop=drop),
        )
        first = -(-patch // stride)  # the smallest k without overlap: k * stride >= patch
        self.steps = range(first, min(first + steps, self.views.rows))
        if not self.steps:
            raise UserError(
                f"cpc needs patches {first} rows apart to predict without overlap, but only {self.views.rows} rows of "
                f"patches of {patch} "
                f"pixels every {stride} fit: use a smaller patch"
            )
        self.negatives = negatives
        self.turns = TURNS[directions]
        codes = self.encoder.network.dim
        self.predictors = nn.ModuleList(Predictor(codes, width, depth, self.steps) for _ in self.turns)

    def terms(self) -> Terms:
        """Return the only term: it moves contexts and targets."""
        return {"loss": ("encoder", "predictors", "patches")}

    def forward(self, patches: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return the contrastive loss, averaged over directions and steps."""
        z = self.encoder.encode(patches)  # [B, D, R, R]
        found = self.predict(z, z, clock)
        return {name: torch.stack([f[name] for f in found]).mean() for name in found[0]}

    def predict(self, z: Tensor, targets: Tensor, clock: Clock) -> list[dict[str, Tensor]]:
        """Return one `info_nce` for each direction and step.

        The contexts of the codes `z` predict `targets`, both [B, D, R, R].
        """
        everyone = gather_with_gradient(targets.permute(0, 2, 3, 1).flatten(0, 2))  # [N * R * R, D]
        generator = np.random.Generator(np.random.Philox(key=[clock.seed, clock.step], counter=[0, 0, 0, TAG]))
        drawn = torch.from_numpy(generator.permutation(len(everyone))[: self.negatives]).to(z.device)
        others = everyone[drawn]  # [K, D]
        places = (
            torch.arange(targets[:, 0].numel(), device=z.device).view_as(targets[:, 0]) + rank() * targets[:, 0].numel()
        )
        found = []
        for turns, predictor in zip(self.turns, self.predictors, strict=True):
            aim, place = targets.rot90(turns, (2, 3)), places.rot90(turns, (1, 2))
            for k, query in zip(self.steps, predictor(z.rot90(turns, (2, 3))), strict=True):  # query is [Q, D]
                positive = (query * aim[:, :, k:].permute(0, 2, 3, 1).flatten(0, 2)).sum(1)
                own = place[:, k:].flatten()[:, None] == drawn  # [Q, K]
                negative = (query @ others.T).masked_fill(own, -torch.inf)
                found.append(info_nce(positive, negative, math.sqrt(z.shape[1])))
        return found


@final
class Predictor(nn.Module):
    """One direction: the context network, and for each k the matrix W_k that predicts the code k rows below."""

    def __init__(self, codes: int, width: int, depth: int, steps: range) -> None:
        super().__init__()
        self.steps = steps
        self.context = Context(codes, width, depth)
        self.maps = nn.ModuleList(nn.Linear(codes, codes, bias=False) for _ in steps)

    def forward(self, z: Tensor) -> list[Tensor]:
        """Map codes [B, D, R, R] to the predictions W_k c for every place with a code k rows below, row by row.

        Returns [B * (R - k) * R, D] for each k.
        """
        c = self.context(z).permute(0, 2, 3, 1)  # [B, R, R, D]
        return [w(c[:, :-k].flatten(0, 2)) for k, w in zip(self.steps, self.maps, strict=True)]


@final
class Context(nn.Module):
    """Context of each row: [B, D, R, R] to the same shape, where row i depends only on rows 0 to i.

    Residual blocks of a 2 x 3 convolution over a row and the row above it, between two 1 x 1 convolutions. They are
    masked convolutions as in PixelCNN, except that a whole row is read at once.
    """

    def __init__(self, codes: int, width: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(codes, width, 1), nn.ReLU(),
                nn.ZeroPad2d((1, 1, 1, 0)), nn.Conv2d(width, width, (2, 3)), nn.ReLU(),
                nn.Conv2d(width, codes, 1),
            )
            for _ in range(depth)
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        """Return the contexts of the codes z."""
        for block in self.blocks:
            z = z + block(z)
        return F.relu(z)
