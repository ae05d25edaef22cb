"""SimCLR of images."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts.contrastive_margin import contrastive_margin
from selftaught.parts.gather import gather_with_gradient, rank
from selftaught.parts.heads import projection
from selftaught.parts.n_pairs import n_pairs
from selftaught.parts.nce import nce
from selftaught.parts.nt_xent import nt_xent
from selftaught.parts.scores import Cosine, Dot, Score, SquaredDistance
from selftaught.parts.triplet import triplet
from selftaught.views.image import Augment, ImageViews

Loss = Literal["nt_xent", "logistic", "triplet", "semi_hard", "margin", "n_pairs"]


@final
class SimCLR(Method):
    """Contrastive learning between two views of an image, with the rest of the batch as negatives.

    Chen, Kornblith, Norouzi, Hinton, ICML 2020 (arXiv 2002.05709), "A Simple Framework for Contrastive Learning of
    Visual Representations". Every other image in the batch is a negative, so no state is kept between steps. The loss
    is computed after a small projection head and the features are taken before it, so that the head can discard what
    the augmentations destroy.

    With z_1 ... z_2N the normalised projections of N pairs, s_ij = z_i . z_j, and j(i) the other view of the image of
    i, the loss NT-Xent is::

        L = -1/(2N) sum_i log( exp(s_ij(i)/t) / sum_{k != i} exp(s_ik/t) )

    Shapes: views is a list of two [B, C, S, S]; z is [2B, dim]; N counts the samples of all ranks. The matrix s is
    never stored, so memory grows with the batch size, not with its square. Only the other losses store it.

    Defaults are those of the authors' CIFAR-10 command (temperature 0.5, jitter strength 0.5, no blur) with the 512
    hidden units of its ResNet-18; on ImageNet the paper uses temperature 0.1, strength 1, blur 0.5. Batch norm sees the
    whole batch of all devices, as there (or pairs would be told by the batch that they were normalised in). Departures:
    the loss is the paper's mean, half of the released code's; the default recipe is AdamW for a few minutes instead of
    LARS for 100 to 1000 epochs. The paper's recipe is --optimizer lars with --lr 0.3 * batch / 256 or 0.075 *
    sqrt(batch) (1.0 at 512 for CIFAR-10), --weight-decay 1e-6 (1e-4) and ten epochs of warm-up.

    Args:
        dim: Dimension of the projections that are compared.
        hidden: Units in the head's hidden layers.
        depth: Number of linear layers in the head: 2 in the paper, 1 for a linear head, 0 to compare the features
            themselves.
        temperature: Temperature t of nt_xent and logistic, greater than 0.
        loss: Loss on the scores: nt_xent as above, or an older loss that the paper compares with. logistic: binary
            classification of each pair, with 2N - 2 negatives per positive. triplet: the other view is closer by a
            margin than all negatives. semi_hard: the same, for the closest negative that is farther than the other
            view. margin: two views are close, and negatives at least a margin apart. n_pairs: nt_xent with rows that
            are not normalised.
        margin: Margin of the losses triplet and semi_hard (a difference of cosines) and margin (a distance), at most 2.
        crop: Smallest area of a random crop, as a fraction of the image. The largest is the whole image.
        strength: Strength of the colour jitter: brightness, contrast and saturation 0.8 times, hue 0.2 times this
            value.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.
        blur: Probability of a Gaussian blur with sigma 0.1 to 2 pixels.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {
        "temperature": {"loss": ("nt_xent", "logistic")},
        "margin": {"loss": ("triplet", "semi_hard", "margin")},
    }
    together = 2

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 128,
        hidden: int = 512,
        depth: int = 2,
        temperature: float = 0.5,
        loss: Loss = "nt_xent",
        margin: float = 1.0,
        crop: float = 0.08,
        strength: float = 0.5,
        flip: float = 0.5,
        grey: float = 0.2,
        blur: float = 0.0,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise UserError(f"temperature of simclr must be greater than 0, not {temperature}")
        if loss not in get_args(Loss):
            raise UserError(f"loss of simclr must be one of {', '.join(get_args(Loss))}, not '{loss}'")
        if not 0 < margin <= 2:
            raise UserError(f"margin of simclr must be in (0, 2], not {margin}")
        self.encoder = encoder
        self.head = projection(encoder.dim, hidden, dim, depth)
        self.loss, self.temperature, self.margin = loss, temperature, margin
        augment = Augment(
            crop=(crop, 1.0), flip=flip, jitter=(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength),
            jitter_p=0.8, grey=grey, blur=blur, blur_sigma=(0.1, 2.0),
        )  # fmt: skip
        self.views = ImageViews(encoder.spec["input"], views=[augment, augment])

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "views") if len(self.head) else ("encoder", "views")}

    def forward(self, views: list[Tensor], **_: Any) -> Outputs:
        """Return the loss over all ranks' views, for the views of this rank."""
        x = torch.stack(views, 1).flatten(0, 1)  # [2B, C, S, S]: a sample's views side by side, in one batch norm group
        z = self.head(self.encoder(x))  # [2B, dim]
        z = z if self.loss == "n_pairs" else F.normalize(z, dim=1)
        return self.contrast(z, gather_with_gradient(z), rank() * len(z))

    def contrast(self, z: Tensor, everyone: Tensor, first: int) -> Outputs:
        """Return the loss of `z` [2B, dim], which is rows first, first + 1, ... of `everyone` [2N, dim].

        Rows 2i and 2i + 1 of `everyone` are a pair.
        """
        if self.loss == "nt_xent":
            return nt_xent(z, everyone, first, self.temperature)
        if self.loss == "margin":
            return contrastive_margin(*scores(SquaredDistance(), z, everyone, first), self.margin)
        if self.loss == "n_pairs":
            return n_pairs(*scores(Dot(), z, everyone, first), z)
        if self.loss == "logistic":
            positive, negative = scores(Cosine(self.temperature), z, everyone, first)
            # weighted K to 1 against each view, or pushing all apart would be the easiest solution
            return nce(positive, negative, noise=1.0)
        return triplet(
            *scores(Cosine(), z, everyone, first), self.margin, "semi_hard" if self.loss == "semi_hard" else "all"
        )


def scores(score: Score, z: Tensor, everyone: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """Return the scores of rows `z` with the other view [B] and with all views [B, 2N], -inf if not a negative."""
    table = score.table(z, everyone)
    mine = torch.arange(first, first + len(z), device=z.device)[:, None]
    places = torch.cat([mine, mine ^ 1], 1)
    return table.gather(1, mine ^ 1).squeeze(1), table.scatter(1, places, -torch.inf)
