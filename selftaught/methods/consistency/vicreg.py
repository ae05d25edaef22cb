"""VICReg."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs
from selftaught.parts.gather import gather_with_gradient
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.spread import spread
from selftaught.views.asymmetric import asymmetric
from selftaught.views.image import ImageViews


@final
class VICReg(Method):
    """Two views of an image have the same features, every feature varies over images, and no two features vary together.

    Bardes, Ponce, LeCun, ICLR 2022 (arXiv 2105.04906), "VICReg: Variance-Invariance-Covariance Regularization for
    Self-Supervised Learning". Variance and covariance are asked of each view by itself, so the two sides need not share
    weights, and nothing has to be normalised, stopped or remembered.

    With x and y [N, d] the projections of the two views of the N images of all ranks::

        L = invariance * 1/(N d) sum (x - y)^2
          + variance * 1/2 [ V(x) + V(y) ],   V(x) = 1/d sum_j max(0, 1 - sqrt(Var(x_j) + 1e-4))
          + covariance * [ K(x) + K(y) ],     K(x) = 1/d sum_{i != j} Cov(x)_ij^2

    with variances and covariances divided by N - 1.

    Shapes: first and second are [B, C, S, S]; x and y are [B, dim].

    There is no right answer to predict; "accuracy" is how often a view's centred projection is closest in direction,
    among the batch, to that of its image's other view; "spread" watches them (1 healthy, 0 collapsed); "invariance",
    "variance" and "covariance" are the three terms without their weights.

    The weights (25, 25, 1) are the paper's; its head ("expander") is 8192 wide. Its views are those of BYOL: on
    ImageNet the first is always blurred and the second with probability 0.1 (blur 1, other_blur 0.1); images of 32
    pixels are not blurred. Departures: the recipe is AdamW for a few minutes instead of LARS (lr 0.2 * batch / 256,
    batch 2048, weight decay 1e-6, biases and norms exempt from both) for 1000 epochs.

    Args:
        dim: Width of the projections and of the head's hidden layers.
        depth: Linear layers in the head, at least 1.
        invariance: Weight of the mean squared difference of the views, at least 0.
        variance: Weight of the hinge on standard deviations below 1, at least 0.
        covariance: Weight of the squared covariances of different features, at least 0.
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
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
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
            raise UserError(f"depth of vicreg must be at least 1, not {depth}")
        if min(invariance, variance, covariance) < 0:
            raise UserError(f"the weights of vicreg must be at least 0, not {invariance}, {variance} and {covariance}")
        self.encoder = encoder
        self.head = projection(encoder.dim, dim, dim, depth, last="none")
        self.invariance, self.variance, self.covariance = invariance, variance, covariance
        first, second = asymmetric(crop, strength, flip, grey, blur, other_blur, solarise)
        self.views = ImageViews(encoder.spec["input"], first=first, second=second)

    def forward(self, first: Tensor, second: Tensor, **_: Any) -> Outputs:
        """The three terms over the images of all ranks."""
        # [N, dim] each
        x, y = (gather_with_gradient(self.head(self.encoder(view)).float()) for view in (first, second))
        same = F.mse_loss(x, y)
        x, y = x - x.mean(0), y - y.mean(0)
        varied = (lack_of_variance(x) + lack_of_variance(y)) / 2
        apart = redundancy(x) + redundancy(y)
        terms = {"invariance": same.detach(), "variance": varied.detach(), "covariance": apart.detach()}
        loss = self.invariance * same + self.variance * varied + self.covariance * apart
        return {"loss": loss, **matching(x, y), "spread": spread(torch.cat([x, y])), **terms}


def lack_of_variance(x: Tensor) -> Tensor:
    """Mean over the features of x [N, D] of how much their standard deviation is short of 1."""
    return F.relu(1 - (x.var(0) + 1e-4).sqrt()).mean()


def redundancy(x: Tensor) -> Tensor:
    """Squared covariances of different features of the centred x [N, D], summed and divided by D."""
    with torch.autocast(x.device.type, enabled=False):  # what is left off the diagonal is small
        covariance = x.T @ x / (len(x) - 1)  # [D, D]
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / x.shape[1]
