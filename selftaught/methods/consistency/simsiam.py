"""SimSiam."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Player, Terms
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.norm import BatchNorm1d
from selftaught.parts.spread import spread
from selftaught.parts.target import target
from selftaught.views.image import Augment, ImageViews


@final
class SimSiam(Method):
    """Predict the features of one view from another with a stop-gradient, without negatives.

    Chen, He, CVPR 2021 (arXiv 2011.10566), "Exploring Simple Siamese Representation Learning". A predictor and a
    stop-gradient are enough: no negatives, no momentum encoder and no large batch are needed.

    With z = head(encoder(x)) of each view, p = predictor(z), and sg the stop-gradient::

        L = -1/2 cos(p1, sg(z2)) - 1/2 cos(p2, sg(z1)),  averaged over images

    Shapes: views is a list of two [B, C, S, S]; z and p are [B, dim]; L is in [-1, 1].

    As there are no labels to predict, "accuracy" is how often a prediction is closest, in its batch, to its own image's
    other view. "spread" of z is 1 when healthy (each of dim features of z / |z| has a standard deviation of 1 /
    sqrt(dim)) and 0 when collapsed.

    The head is three linear layers, each with batch norm, the last one without scale and shift. The predictor is a
    bottleneck, and its learning rate stays constant while the others decay. Defaults follow the paper except for the
    widths: there dim is 2048, the predictor's hidden layer 512, the blur has probability 0.5 (0 on CIFAR-10, whose head
    has two layers). Batch norm sees the whole batch of all devices, as there. Departures: the default recipe is AdamW
    for a few minutes instead of SGD (lr 0.05 * batch / 256, batch 512, weight decay 1e-4) for 100 to 800 epochs; its
    warm-up also applies to the predictor.

    Args:
        dim: Dimension of the projections and of the head's hidden layers.
        depth: Number of linear layers in the head, at least 1.
        bottleneck: Units in the predictor's hidden layer.
        constant_rate: Keep the predictor's learning rate constant.
        crop: Smallest area of a random crop, as a fraction of the image.
        jitter: Strength of the brightness, contrast and saturation jitter. Hue uses a quarter of it.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.
        blur: Probability of a Gaussian blur with sigma 0.1 to 2 pixels.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("image",)

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 512,
        depth: int = 3,
        bottleneck: int = 128,
        constant_rate: bool = True,
        crop: float = 0.2,
        jitter: float = 0.4,
        flip: float = 0.5,
        grey: float = 0.2,
        blur: float = 0.0,
    ) -> None:
        super().__init__()
        if depth < 1 or bottleneck < 1:
            raise UserError(f"depth and bottleneck of simsiam must be at least 1, not {depth} and {bottleneck}")
        self.encoder = encoder
        self.head = projection(encoder.dim, dim, dim, depth, last="fixed")
        self.predictor = nn.Sequential(
            nn.Linear(dim, bottleneck, bias=False), BatchNorm1d(bottleneck), nn.ReLU(), nn.Linear(bottleneck, dim)
        )
        self.constant_rate = constant_rate
        augment = Augment(
            crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, jitter / 4), jitter_p=0.8, grey=grey, blur=blur
        )
        self.views = ImageViews(encoder.spec["input"], views=[augment, augment])

    def players(self) -> list[Player]:
        """Return one player. With `constant_rate`, its predictor does not follow the schedule."""
        network: dict[str, Any] = {"params": [*self.encoder.parameters(), *self.head.parameters()]}
        predictor: dict[str, Any] = {"params": list(self.predictor.parameters())}
        return [Player("main", [network, predictor | ({"schedule": "constant"} if self.constant_rate else {})])]

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "predictor", "views")}

    def targets(self) -> tuple[str, ...]:
        """Return the stop-gradient, one for each direction."""
        return ("z", "z")

    def forward(self, views: list[Tensor], **_: Any) -> Outputs:
        """Return the loss: each view predicts the projection of the other view."""
        z1, z2 = (self.head(self.encoder(x)) for x in views)  # [B, dim] each
        p1, p2 = self.predictor(z1), self.predictor(z2)
        loss = (disagreement(p1, target("z", z2)) + disagreement(p2, target("z", z1))) / 2
        return {"loss": loss, **matching(p1, z2), "spread": spread(torch.cat([z1, z2]))}


def disagreement(p: Tensor, z: Tensor) -> Tensor:
    """Return the mean of -cos(p, z) over the rows of both, [B, D] each."""
    return -F.cosine_similarity(p.float(), z.float(), dim=1).mean()
