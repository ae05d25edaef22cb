"""BYOL."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Terms
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.momentum import follow, momentum_copy, rising
from selftaught.parts.spread import spread
from selftaught.views.asymmetric import asymmetric
from selftaught.views.image import ImageViews


@final
class BYOL(Method):
    """Predict the features of one view from another with a momentum target network, without negatives.

    Grill, Strub, Altche, Tallec, Richemond et al., NeurIPS 2020 (arXiv 2006.07733), "Bootstrap Your Own Latent: A New
    Approach to Self-Supervised Learning". A constant output would minimise the loss. It is avoided by the predictor,
    which only the online network has, and by the target network, which gets no gradient and follows slowly.

    With p = predictor(head(encoder(x))) of the online network and z' = head'(encoder'(x')) of the target network (the
    slow copy), for both orders of the views::

        L(x, x') = || p/|p| - z'/|z'| ||^2 = 2 - 2 cos(p, z'),    L = mean over images of L(x1, x2) + L(x2, x1)
        slow <- m * slow + (1 - m) * online,    m = 1 - (1 - momentum) * (cos(pi * progress) + 1) / 2

    Shapes: first and second are [B, C, S, S]; p and z' are [B, dim]. Each order's loss is in [0, 4], the sum in [0, 8].

    As there are no labels to predict, "accuracy" is how often a prediction is closest, in its batch, to its own image's
    target, and "spread" (1 healthy, 0 collapsed) watches the targets.

    Crops, colours and momentum (0.99 for up to 300 epochs, 0.996 for 1000) are the paper's. Its heads are wider: 4096
    with an output of 256. On ImageNet the first view is always blurred and the second with probability 0.1 (blur 1,
    other_blur 0.1); images of 32 pixels are not blurred. Batch norm sees the whole batch of all devices, as there.
    Departures: the default recipe is AdamW for a few minutes instead of LARS (lr 0.2 * batch /
    256, weight decay 1.5e-6, biases and norms exempt from both) for 300 to 1000 epochs.

    Args:
        dim: Dimension of projections and predictions.
        hidden: Units in the hidden layer of the head and of the predictor.
        momentum: Momentum of the target network at the start, in [0, 1]. It rises to 1 along a cosine.
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

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "predictor", "first", "second")}

    def forward(self, first: Tensor, second: Tensor, **_: Any) -> Outputs:
        """Return the loss over both orders: each view predicts the target projection of the other view."""
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
        """Update the target network with the current momentum."""
        follow(self.slow, nn.Sequential(self.encoder, self.head), rising(self.momentum, clock.progress))


def disagreement(p: Tensor, z: Tensor) -> Tensor:
    """Return the mean squared distance between the directions of `p` and `z`, both [B, D]: 0 to 4."""
    return (2 - 2 * F.cosine_similarity(p.float(), z.float(), dim=1)).mean()
