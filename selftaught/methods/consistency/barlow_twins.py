"""Barlow Twins."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Player, Terms
from selftaught.parts.gather import gather_with_gradient
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.spread import spread
from selftaught.views.asymmetric import asymmetric
from selftaught.views.image import ImageViews


@final
class BarlowTwins(Method):
    """Make the features of two views agree and decorrelate the feature dimensions.

    Zbontar, Jing, Misra, LeCun, Deny, ICML 2021 (arXiv 2103.03230), "Barlow Twins: Self-Supervised Learning via
    Redundancy Reduction". The cross-correlation of the features of two views should be the identity: ones on the
    diagonal mean agreement, and zeros elsewhere exclude a constant output. Both sides are equal and there are no
    negatives.

    With z^ the projections of one view, each feature standardised to mean 0 and (biased) variance 1 over the N images
    of all ranks::

        C_ij = 1/N sum_n z^1_ni z^2_nj,    L = sum_i (1 - C_ii)^2 + redundancy * sum_{i != j} C_ij^2

    Shapes: first and second are [B, C, S, S]; z is [B, dim]; C is [dim, dim].

    As there are no labels to predict, "accuracy" is how often a view's z^ is closest, among the batch, to that of its
    image's other view; "spread" watches z^ (1 healthy, 0 collapsed); "agreement" is the mean of C_ii.

    Crops, colours and redundancy are the paper's; its head is 8192 wide, and it benefits from width more than other
    methods. On ImageNet the first view is always blurred and the second with probability 0.1 (blur 1, other_blur 0.1);
    images of 32 pixels are not blurred. Batch norm sees the whole batch of all devices, as in the released code (it
    converts to synchronised batch norm, and standardises z with it). Departures: features are standardised over the
    images of all ranks for any groups of batch norm, and by the batch in evaluation too; the recipe is AdamW for a few
    minutes instead of LARS (lr 0.2 for weights, 0.0048 for biases and norms: bias_rate 0.024; times batch / 256; batch
    2048, weight decay 1.5e-6, biases and norms exempt from it) for 1000 epochs.

    Args:
        dim: Dimension of the projections and of the head's hidden layers.
        depth: Number of linear layers in the head, at least 1.
        redundancy: Weight of the off-diagonal terms, at least 0.
        bias_rate: Learning rate of biases and norms, as a multiple of the learning rate of weights.
        crop: Smallest area of a random crop, as a fraction of the image.
        strength: Strength of the colour jitter: brightness and contrast 0.4, saturation 0.2 and hue 0.1 times this
            value.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.
        blur: Probability of a Gaussian blur of the first view, with sigma 0.1 to 2 pixels.
        other_blur: Probability of the same blur of the second view.
        solarise: Probability of solarising the second view: values of at least 0.5 are inverted.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("image",)
    together = 2

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
        """Return one player. Biases and norms (parameters with fewer than two axes) have their own learning rate."""
        params = list(self.parameters())
        weights: dict[str, Any] = {"params": [p for p in params if p.ndim >= 2]}
        biases: dict[str, Any] = {"params": [p for p in params if p.ndim < 2], "lr_scale": self.bias_rate}
        return [Player("main", [weights, biases])]

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "first", "second")}

    def forward(self, first: Tensor, second: Tensor, **_: Any) -> Outputs:
        """Return the distance of the cross-correlation of both views from the identity."""
        # [N, dim]
        one, two = (standardised(gather_with_gradient(self.head(self.encoder(x)).float())) for x in (first, second))
        with torch.autocast(first.device.type, enabled=False):  # the off-diagonal values are small
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
    """Standardise every feature of z [N, D] to mean 0 and biased variance 1 over the rows, as batch norm does."""
    return (z - z.mean(0)) * (z.var(0, correction=0) + 1e-5).rsqrt()
