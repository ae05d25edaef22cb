"""LeJEPA of images."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Terms
from selftaught.parts.centre import distance_to_centre
from selftaught.parts.directions import directions
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.multi_crop import by_size
from selftaught.parts.sigreg import sigreg
from selftaught.parts.spread import spread
from selftaught.views.multi_crop import varied


@final
class LeJEPA(Method):
    """Make the views of an image agree, and the embeddings of all images normally distributed.

    Balestriero, LeCun 2025 (arXiv 2511.08544), "LeJEPA: Provable and Scalable Self-Supervised Learning Without the
    Heuristics". A statistical test prevents collapse: along every random direction the embeddings of a batch should be
    a sample of N(0, 1). There is no momentum encoder, stop-gradient, predictor, negative or schedule.

    With z_v the projections of view v, c the mean of those of the full views of the same image, and T the statistic of
    Epps and Pulley (`parts/sigreg`) of a view's projections on a direction a::

        L = (1 - weight) * mean_{v, images, coordinates} (c - z_v)^2
          + weight * mean_v mean_a T({a . z_v of all images})

    Shapes: views is a list of [B, C, S, S], the full ones first, then small ones of a smaller side; z is [B, dim].

    As there are no labels to predict, "accuracy" is how often a view's centred projection is closest in direction,
    among the batch, to that of another view of its image; "invariance" and "normality" are the two terms without their
    weights. "normality" is about 1.05 for a normal sample, not 0, and 0.4 times the batch when collapsed; "spread" of
    the projections is 1 when healthy and 0 when collapsed.

    Directions are drawn anew in each step, the same on all ranks, and the statistic is that of the images of all ranks,
    for each view by itself. Small crops and looks are those of the paper on ImageNet, where all views are blurred with
    probability 0.5 (blur 0.5) and 6 small crops show 5% to 30% of the area; the minimal example of the authors has four
    equal views (full 4, small 0). weight is 0.02 to 0.05 there, for batches of 128 to 512. Departures: images of 32
    pixels are not blurred, and small crops are larger, because 5% of them shows too little; the head is narrower (there
    2048 or 512 wide); the default recipe is AdamW for a few minutes without weight decay of biases and norms.

    Args:
        dim: Dimension of the projections.
        hidden: Units of the head's hidden layers.
        depth: Number of linear layers in the head, at least 1.
        weight: Weight of the statistic, in (0, 1). Multiply it by 256 / batch for another batch size.
        directions: Number of random directions of a step.
        full: Number of views of the encoder's image size, at least 1.
        small: Number of small crops. There must be two views in all.
        small_size: Side of a small crop in pixels. 0 = 3/7 of the encoder's image size.
        crop: Smallest area of a full view, as a fraction of the image. Also the largest area of a small crop.
        small_crop: Smallest area of a small crop, as a fraction of the image.
        strength: Strength of the colour jitter: brightness and contrast 0.4, saturation 0.2 and hue 0.1 times this
            value.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.
        blur: Probability of a Gaussian blur with sigma 0.1 to 2 pixels.
        solarise: Probability of solarising the view: values of at least 0.5 are inverted.

    Raises:
        UserError: An argument is out of range, or small crops are used with an encoder of a fixed image size.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {"small_size": {"small": 0}, "small_crop": {"small": 0}}
    together = 2

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 64,
        hidden: int = 512,
        depth: int = 3,
        weight: float = 0.05,
        directions: int = 256,
        full: int = 2,
        small: int = 0,
        small_size: int = 0,
        crop: float = 0.3,
        small_crop: float = 0.1,
        strength: float = 1.0,
        flip: float = 0.5,
        grey: float = 0.2,
        blur: float = 0.0,
        solarise: float = 0.0,
    ) -> None:
        super().__init__()
        if depth < 1 or directions < 1:
            raise UserError(f"depth and directions of lejepa must be at least 1, not {depth} and {directions}")
        if not 0 < weight < 1:
            raise UserError(f"weight of lejepa must be between 0 and 1, not {weight}")
        if full < 1 or full + small < 2:
            raise UserError(f"lejepa needs at least 1 full view and 2 views in all, not {full} and {full + small}")
        self.encoder = encoder
        self.head = projection(encoder.dim, hidden, dim, depth, last="none")
        self.weight, self.directions, self.full = weight, directions, full
        self.views = varied(encoder, full, crop, small, small_crop, small_size, strength, flip, grey, blur, solarise)

    def terms(self) -> Terms:
        """Return the two terms: each sees all views."""
        return dict.fromkeys(("invariance", "normality"), ("encoder", "head", "views"))

    def forward(self, views: list[Tensor], clock: Clock, **_: Any) -> Outputs:
        """Return the loss and its two terms, the second over the images of all ranks."""
        z = [one.float() for one in by_size(self.encoder, self.head, views)]  # V of [B, dim]
        along = directions(z[0].shape[1], self.directions, clock.seed, clock.step, like=z[0])
        apart = distance_to_centre(z, self.full)
        normality = torch.stack([sigreg(one, along) for one in z]).mean()
        return {
            "loss": (1 - self.weight) * apart + self.weight * normality,
            **matching(z[0] - z[0].mean(0), z[1] - z[1].mean(0)),
            "spread": spread(torch.cat(z)),
            "invariance": apart,
            "normality": normality,
        }
