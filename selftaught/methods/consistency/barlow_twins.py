"""Barlow Twins."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Player
from selftaught.parts.gather import gather_with_gradient
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.spread import spread
from selftaught.views.asymmetric import asymmetric
from selftaught.views.image import ImageViews


@final
class BarlowTwins(Method):
    """Two views of an image agree in every feature, and no two features say the same.

    Zbontar, Jing, Misra, LeCun, Deny, ICML 2021 (arXiv 2103.03230), "Barlow Twins: Self-Supervised Learning via
    Redundancy Reduction". The cross-correlation of the features of two views should be the identity: ones on the
    diagonal are agreement, zeros elsewhere leave no room for a constant. Neither side is special, and there are no
    negatives.

    With z^ the features of one view's projections, each with mean 0 and (biased) variance 1 over the N images of all ranks::

        C_ij = 1/N sum_n z^1_ni z^2_nj,    L = sum_i (1 - C_ii)^2 + redundancy * sum_{i != j} C_ij^2

    Shapes: first and second are [B, C, S, S]; z is [B, dim]; C is [dim, dim].

    There is no right answer to predict; "accuracy" is how often a view's z^ is closest, among the batch, to that of its
    image's other view; "spread" watches z^ (1 healthy, 0 collapsed); "agreement" is the mean of C_ii.

    Crops, colours and redundancy are the paper's; its head is 8192 wide, and it gains from width where other methods do
    not. On ImageNet the first view is always blurred and the second with probability 0.1 (blur 1, other_blur 0.1);
    images of 32 pixels are not blurred. Departures: features are standardised over the images of all ranks, with 1e-5
    added to the variance, where the released code does it on each device; in evaluation too they are standardised by
    the batch. The recipe is AdamW for a few minutes instead of LARS (lr 0.2 for weights, 0.0048 for biases and norms:
    bias_rate 0.024; times batch / 256; batch 2048, weight decay 1.5e-6, biases and norms exempt from it) for 1000
    epochs.

    Args:
        dim: Width of the projections and of the head's hidden layers.
        depth: Linear layers in the head, at least 1.
        redundancy: The weight of what is off the diagonal, at least 0.
        bias_rate: The learning rate of biases and norms as a part of that of weights.
        crop: Smallest part of the image's area that a crop takes.
        strength: Of the colour jitter: brightness and contrast 0.4, saturation 0.2, hue 0.1 times this.
        flip: Probability of a mirror image.
        grey: Probability of dropping colour.
        blur: Probability of a Gaussian blur of the first view, with sigma 0.1 to 2 pixels.
        other_blur: The same of the second view.
        solarise: Probability of inverting the bright half of the second view's values.

    Raises:
        UserError: A value out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 512,
        depth: int = 3,
        redundancy: float = 0.0051,
        bias_rate: float = 1.0,
        crop: float = 0.08,
        strength: float = 1.0,
        flip: float = 0.5,
        grey: float = 0.2,
        blur: float = 0.0,
        other_blur: float = 0.0,
        solarise: float = 0.2,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise UserError(f"depth of barlow_twins must be at least 1, not {depth}")
        if redundancy < 0 or bias_rate < 0:
            raise UserError(
                f"redundancy and bias_rate of barlow_twins must be at least 0, not {redundancy} and {bias_rate}"
            )
        self.encoder = encoder
        self.head = projection(encoder.dim, dim, dim, depth, last="none")
        self.redundancy, self.bias_rate = redundancy, bias_rate
        first, second = asymmetric(crop, strength, flip, grey, blur, other_blur, solarise)
        self.views = ImageViews(encoder.spec["input"], first=first, second=second)

    def players(self) -> list[Player]:
        """One player; biases and norms (all that has fewer than two axes) have a rate of their own."""
        params = list(self.parameters())
        weights: dict[str, Any] = {"params": [p for p in params if p.ndim >= 2]}
        biases: dict[str, Any] = {"params": [p for p in params if p.ndim < 2], "lr_scale": self.bias_rate}
        return [Player("main", [weights, biases])]

    def forward(self, first: Tensor, second: Tensor, **_: Any) -> Outputs:
        """How far the cross-correlation of both views is from the identity."""
        # [N, dim]
        one, two = (standardised(gather_with_gradient(self.head(self.encoder(x)).float())) for x in (first, second))
        with torch.autocast(first.device.type, enabled=False):  # what is left off the diagonal is small
            c = one.T @ two / len(one)  # [dim, dim]
        on = c.diagonal()
        off = c.square().sum() - on.square().sum()
        loss = (1 - on).square().sum() + self.redundancy * off
        return {
            "loss": loss,
            **matching(one, two),
            "spread": spread(torch.cat([one, two])),
            "agreement": on.detach().mean(),
        }


def standardised(z: Tensor) -> Tensor:
    """Every feature of z [N, D] with mean 0 and biased variance 1 over the rows, as batch norm computes it."""
    return (z - z.mean(0)) * (z.var(0, correction=0) + 1e-5).rsqrt()
