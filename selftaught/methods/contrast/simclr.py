"""SimCLR."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs
from selftaught.parts.gather import gather_with_gradient, rank
from selftaught.parts.heads import projection
from selftaught.parts.info_nce import info_nce
from selftaught.views.image import Augment, ImageViews


@final
class SimCLR(Method):
    """Two views of an image find each other among all views in a large batch.

    Chen, Kornblith, Norouzi, Hinton, ICML 2020 (arXiv 2002.05709), "A Simple Framework for Contrastive Learning of Visual
    Representations". Every other image in the batch is a negative, so nothing has to be remembered between steps. The loss is
    taken after a small projection head, and features before it, which lets the head drop what the augmentations destroy.

    With z_1 ... z_2N the normalised projections of N pairs, s_ij = z_i . z_j, and j(i) the other view of i's image (NT-Xent)::

        L = -1/(2N) sum_i log( exp(s_ij(i)/t) / sum_{k != i} exp(s_ik/t) )

    Shapes: views is a list of two [B, C, S, S]; z is [2B, dim]; N counts the samples of all ranks.

    Defaults are those of the authors' CIFAR-10 command (temperature 0.5, jitter strength 0.5, no blur) with the 512 hidden
    units of its ResNet-18; on ImageNet the paper takes temperature 0.1, strength 1, blur 0.5. Departures: batch norm sees the
    groups of the recipe instead of always the whole batch over all devices; the loss is the paper's mean, half of the released
    code's; the recipe is AdamW for a few minutes instead of LARS (lr 0.3 * batch / 256, or 1.0 at 512 for CIFAR-10) for 100 to
    1000 epochs.

    Args:
        dim: Width of the space in which views are compared.
        hidden: Units of the head's hidden layers.
        depth: Linear layers in the head: 2 in the paper, 1 is linear, 0 compares features themselves.
        temperature: t, greater than 0.
        crop: Smallest part of the image's area that a crop takes; the largest is all of it.
        strength: Of the colour jitter: brightness, contrast, saturation 0.8 times this, hue 0.2 times this.
        flip: Probability of a mirror image.
        grey: Probability of dropping colour.
        blur: Probability of a Gaussian blur with sigma 0.1 to 2 pixels.

    Raises:
        UserError: A value out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5}

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 128,
        hidden: int = 512,
        depth: int = 2,
        temperature: float = 0.5,
        crop: float = 0.08,
        strength: float = 0.5,
        flip: float = 0.5,
        grey: float = 0.2,
        blur: float = 0.0,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise UserError(f"temperature of simclr must be greater than 0, not {temperature}")
        self.encoder = encoder
        self.head = projection(encoder.dim, hidden, dim, depth)
        self.temperature = temperature
        augment = Augment(
            crop=(crop, 1.0), flip=flip, jitter=(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength),
            jitter_p=0.8, grey=grey, blur=blur, blur_sigma=(0.1, 2.0),
        )  # fmt: skip
        self.views = ImageViews(encoder.spec["input"], views=[augment, augment])

    def forward(self, views: list[Tensor], **_: Any) -> Outputs:  # type: ignore[override]
        """NT-Xent over all ranks' views, for the views of this rank."""
        x = torch.stack(views, 1).flatten(0, 1)  # [2B, C, S, S]: a sample's views side by side, in one batch norm group
        z = F.normalize(self.head(self.encoder(x)), dim=1)  # [2B, dim]
        return nt_xent(z, gather_with_gradient(z), rank() * len(z), self.temperature)


def nt_xent(z: Tensor, everyone: Tensor, first: int, temperature: float) -> Outputs:
    """The loss of `z` [2B, D], rows first, first + 1, ... of `everyone` [2N, D], whose rows 2i and 2i + 1 are a pair."""
    scores = z @ everyone.T  # [2B, 2N]
    mine = torch.arange(first, first + len(z), device=z.device)[:, None]
    other = mine ^ 1
    positive = scores.gather(1, other).squeeze(1)  # [2B]
    columns = torch.arange(len(everyone), device=z.device)
    negative = scores.masked_fill((columns == mine) | (columns == other), -torch.inf)  # [2B, 2N], of which 2N - 2 count
    return info_nce(positive, negative, temperature)
