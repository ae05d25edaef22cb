"""SimSiam."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Player
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.norm import BatchNorm1d
from selftaught.parts.spread import spread
from selftaught.views.image import Augment, ImageViews


@final
class SimSiam(Method):
    """From one view of an image, predict the same network's output for another view, through which no gradient flows.

    Chen, He, CVPR 2021 (arXiv 2011.10566), "Exploring Simple Siamese Representation Learning". A predictor and a
    stopped gradient are enough: no negatives, no slow copy, no large batch.

    With z = head(encoder(x)) of each view, p = predictor(z), and sg the identity without gradient::

        L = -1/2 cos(p1, sg(z2)) - 1/2 cos(p2, sg(z1)),  averaged over images

    Shapes: views is a list of two [B, C, S, S]; z and p are [B, dim]; L is in [-1, 1].

    There is no right answer to predict; "accuracy" is how often a prediction is closest, in its batch, to its own
    image's other view, and "spread" watches z: 1 is healthy (each of dim features of z / |z| deviates by 1 /
    sqrt(dim)), 0 collapsed.

    The head is three linear layers, each with batch norm, the last of them without scale and shift; the predictor is a
    bottleneck, and its learning rate stays constant while the rest decays. Defaults follow the paper but for the
    widths: there dim is 2048, the predictor's hidden layer 512, the blur has probability 0.5 (0 on CIFAR-10, whose head
    has two layers). Departures: batch norm sees the groups of the recipe instead of the whole batch over all devices;
    the recipe is AdamW for a few minutes instead of SGD (lr 0.05 * batch / 256, batch 512, weight decay 1e-4) for 100
    to 800 epochs; its warm-up also holds for the predictor.

    Args:
        dim: Width of the head, hidden layers included, and of the space in which views are compared.
        depth: Linear layers in the head, at least 1.
        bottleneck: Units of the predictor's hidden layer.
        constant_rate: Whether the predictor's learning rate stays constant.
        crop: Smallest part of the image's area that a crop takes.
        jitter: Of brightness, contrast and saturation; that of hue is a quarter of it.
        flip: Probability of a mirror image.
        grey: Probability of dropping colour.
        blur: Probability of a Gaussian blur with sigma 0.1 to 2 pixels.

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
        """One player; its predictor does not take part in the schedule."""
        network: dict[str, Any] = {"params": [*self.encoder.parameters(), *self.head.parameters()]}
        predictor: dict[str, Any] = {"params": list(self.predictor.parameters())}
        return [Player("main", [network, predictor | ({"schedule": "constant"} if self.constant_rate else {})])]

    def forward(self, views: list[Tensor], **_: Any) -> Outputs:
        """Each view predicts the other's projection."""
        z1, z2 = (self.head(self.encoder(x)) for x in views)  # [B, dim] each
        p1, p2 = self.predictor(z1), self.predictor(z2)
        loss = (disagreement(p1, z2) + disagreement(p2, z1)) / 2
        return {"loss": loss, **matching(p1, z2), "spread": spread(torch.cat([z1, z2]))}


def disagreement(p: Tensor, z: Tensor) -> Tensor:
    """Mean of -cos(p, z) over the rows of both, [B, D] each; `z` is a constant."""
    return -F.cosine_similarity(p.float(), z.detach().float(), dim=1).mean()
