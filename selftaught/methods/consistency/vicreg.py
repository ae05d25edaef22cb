"""VICReg."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts.gather import gather_with_gradient
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.spread import spread
from selftaught.views.asymmetric import asymmetric
from selftaught.views.image import ImageViews


@final
class VICReg(Method):
    """Make the features of two views agree, keep their variance up and decorrelate the dimensions.

    Bardes, Ponce, LeCun, ICLR 2022 (arXiv 2105.04906), "VICReg: Variance-Invariance-Covariance Regularization for
    Self-Supervised Learning". Variance and covariance are computed for each view separately, so the two branches need
    not share weights, and no normalisation, stop-gradient or memory is needed.

    With x and y [N, d] the projections of the two views of the N images of all ranks::

        L = invariance * 1/(N d) sum (x - y)^2
          + variance * 1/2 [ V(x) + V(y) ],   V(x) = 1/d sum_j max(0, 1 - sqrt(Var(x_j) + 1e-4))
          + covariance * [ K(x) + K(y) ],     K(x) = 1/d sum_{i != j} Cov(x)_ij^2

    with variances and covariances divided by N - 1.

    Shapes: first and second are [B, C, S, S]; x and y are [B, dim].

    As there are no labels to predict, "accuracy" is how often a view's centred projection is closest in direction,
    among the batch, to that of its image's other view; "spread" of the projections is 1 when healthy and 0 when
    collapsed; "invariance", "variance" and "covariance" are the three terms without their weights.

    The weights (25, 25, 1) are the paper's; its head ("expander") is 8192 wide. Its views are those of BYOL: on
    ImageNet the first is always blurred and the second with probability 0.1 (blur 1, other_blur 0.1); images of 32
    pixels are not blurred. Departures: the default recipe is AdamW for a few minutes instead of LARS (lr 0.2 * batch /
    256, batch 2048, weight decay 1e-6, biases and norms exempt from both) for 1000 epochs.

    Args:
        dim: Dimension of the projections and of the head's hidden layers.
        depth: Number of linear layers in the head, at least 1.
        invariance: Weight of the mean squared difference between the views, at least 0.
        variance: Weight of the hinge on standard deviations below 1, at least 0.
        covariance: Weight of the squared covariances of different features, at least 0.
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

    def terms(self) -> Terms:
        """Return the terms with a weight: each sees both views."""
        reached = ("encoder", "head", "first", "second")
        weights = {"invariance": self.invariance, "variance": self.variance, "covariance": self.covariance}
        return {term: reached for term, weight in weights.items() if weight}

    def forward(self, first: Tensor, second: Tensor, **_: Any) -> Outputs:
        """Return the loss and its three terms over the images of all ranks."""
        # [N, dim] each
        x, y = (gather_with_gradient(self.head(self.encoder(view)).float()) for view in (first, second))
        same = F.mse_loss(x, y)
        x, y = x - x.mean(0), y - y.mean(0)
        varied = (lack_of_variance(x) + lack_of_variance(y)) / 2
        apart = redundancy(x) + redundancy(y)
        terms = {"invariance": same, "variance": varied, "covariance": apart}
        loss = self.invariance * same + self.variance * varied + self.covariance * apart
        return {"loss": loss, **matching(x, y), "spread": spread(torch.cat([x, y])), **terms}


def lack_of_variance(x: Tensor) -> Tensor:
    """Return by how much the standard deviation of each feature of x [N, D] is below 1, averaged over the features."""
    return F.relu(1 - (x.var(0) + 1e-4).sqrt()).mean()


def redundancy(x: Tensor) -> Tensor:
    """Return the squared covariances of different features of the centred x [N, D], summed and divided by D."""
    with torch.autocast(x.device.type, enabled=False):  # the off-diagonal values are small
        covariance = x.T @ x / (len(x) - 1)  # [D, D]
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / x.shape[1]
