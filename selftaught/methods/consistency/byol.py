"""BYOL."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.momentum import follow, momentum_copy, rising
from selftaught.parts.spread import spread
from selftaught.views.asymmetric import asymmetric
from selftaught.views.image import ImageViews


@final
class BYOL(Method):
    """From one view of an image, predict what a slow copy of the network says of another view. There are no negatives.

    Grill, Strub, Altche, Tallec, Richemond et al., NeurIPS 2020 (arXiv 2006.07733), "Bootstrap Your Own Latent: A New
    Approach to Self-Supervised Learning". A constant would agree with itself; that it is not found rests on the
    predictor, which only the trained side has, and on the target, which no gradient reaches and which follows slowly.

    With p = predictor(head(encoder(x))) of the online side, z' = head'(encoder'(x')) of the slow copy, for both orders
    of the views::

        L(x, x') = || p/|p| - z'/|z'| ||^2 = 2 - 2 cos(p, z'),    L = mean over images of L(x1, x2) + L(x2, x1)
        slow <- m * slow + (1 - m) * online,    m = 1 - (1 - momentum) * (cos(pi * progress) + 1) / 2

    Shapes: first and second are [B, C, S, S]; p and z' are [B, dim]. Each order's loss is in [0, 4], the sum in [0, 8].

    There is no right answer to predict; "accuracy" is how often a prediction is closest, in its batch, to its own
    image's target, and "spread" (1 healthy, 0 collapsed) watches the targets.

    Defaults are the paper's but for the width: its heads are 4096 wide and end in 256, its crops, colours and momentum
    (0.99 for up to 300 epochs, 0.996 for 1000) are these. On ImageNet the first view is always blurred and the second
    with probability 0.1 (blur 1, other_blur 0.1); images of 32 pixels are not blurred. Departures: batch norm sees the
    groups of the recipe instead of the whole batch over all devices; the recipe is AdamW for a few minutes instead of
    LARS (lr 0.2 * batch / 256, weight decay 1.5e-6, biases and norms exempt from both) for 300 to 1000 epochs.

    Args:
        dim: Width of projections and predictions.
        hidden: Units of the hidden layer of the head and of the predictor.
        momentum: Of the slow copy at the start, in [0, 1]; it rises to 1 along a cosine.
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
        dim: int = 128,
        hidden: int = 512,
        momentum: float = 0.99,
        crop: float = 0.08,
        strength: float = 1.0,
        flip: float = 0.5,
        grey: float = 0.2,
        blur: float = 0.0,
        other_blur: float = 0.0,
        solarise: float = 0.2,
    ) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise UserError(f"momentum of byol must be in [0, 1], not {momentum}")
        self.encoder = encoder
        self.head = projection(encoder.dim, hidden, dim, depth=2, last="none")
        self.predictor = projection(dim, hidden, dim, depth=2, last="none")
        self.slow = momentum_copy(nn.Sequential(self.encoder, self.head))
        self.momentum = momentum
        first, second = asymmetric(crop, strength, flip, grey, blur, other_blur, solarise)
        self.views = ImageViews(encoder.spec["input"], first=first, second=second)

    def forward(self, first: Tensor, second: Tensor, **_: Any) -> Outputs:
        """Both orders: each view predicts the slow copy's projection of the other."""
        loss, matches, targets = torch.zeros((), device=first.device), [], []
        for one, other in ((first, second), (second, first)):
            p = self.predictor(self.head(self.encoder(one)))  # [B, dim]
            with torch.no_grad():
                z = self.slow(other)  # [B, dim]
            loss = loss + disagreement(p, z)
            matches.append(matching(p, z))
            targets.append(z)
        mean = {name: torch.stack([m[name] for m in matches]).mean() for name in matches[0]}
        return {"loss": loss, **mean, "spread": spread(torch.cat(targets))}

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """The slow copy follows, ever more slowly."""
        follow(self.slow, nn.Sequential(self.encoder, self.head), rising(self.momentum, clock.progress))


def disagreement(p: Tensor, z: Tensor) -> Tensor:
    """Mean squared distance of the directions of `p` and `z`, both [B, D]: 0 for equal ones, 4 for opposite ones."""
    return (2 - 2 * F.cosine_similarity(p.float(), z.float(), dim=1)).mean()
