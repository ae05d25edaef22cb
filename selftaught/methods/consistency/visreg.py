"""VISReg."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, final

import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Terms
from selftaught.parts.centre import distance_to_centre
from selftaught.parts.directions import directions
from selftaught.parts.gather import gather_with_gradient
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.multi_crop import by_size
from selftaught.parts.spread import spread
from selftaught.parts.target import target
from selftaught.views.multi_crop import varied


@final
class VISReg(Method):
    """Make the views of an image agree, and the embeddings of all images standard normal: scale and shape apart.

    Wu, Balestriero, Levine 2026 (arXiv 2606.02572), "VISReg". As in VICReg every dimension should have variance 1, but
    what keeps the dimensions apart is the distance of their distribution from a normal one along random directions
    (sliced Wasserstein), which sees more than covariances. Mean, scale and shape are separate terms, so the gradient
    does not vanish near a collapse, where that of LeJEPA does.

    With z_v [N, D] the projections of view v of the N images of all ranks, mu and sigma their means and (biased)
    standard deviations over the images, c the mean of the projections of the full views of the same image, a random
    directions, and q_i = the i / (N + 1) quantiles of N(0, 1)::

        centre(z) = mean_j mu_j^2,    scale(z) = mean_j (1 - sigma_j)^2
        shape(z)  = mean_a 1/N sum_i (i-th smallest of {a . (z - mu) / (sigma + epsilon)} - q_i)^2,    sigma fixed
        L = (1 - weight) * mean_{v, images, coordinates} (c - z_v)^2
          + weight * mean_v [ centre(z_v) + scale(z_v) + shape_weight * shape(z_v) ]

    Shapes: views is a list of [B, C, S, S], the full ones first, then small ones of a smaller side; z is [B, dim].

    As there are no labels to predict, "accuracy" is how often a view's centred projection is closest in direction,
    among the batch, to that of another view of its image; "invariance", "centre", "scale" and "shape" are the terms
    without their weights. "spread" of the projections is 1 when healthy and 0 when collapsed.

    weight is the paper's for small data sets (0.9 for large ones); directions are 256 to 2048 there. Small crops and
    looks are those of the paper on ImageNet, where all views are blurred with probability 0.5 (blur 0.5). Departures:
    statistics are those of the images of all ranks with one set of directions, where the released code takes each
    rank's own; epsilon is 1e-4 (one of two implementations has 1e-6), because near a collapse the gradient of the shape
    is divided by it; images of 32 pixels are not blurred, and small crops are larger, because 5% of them shows too
    little; the head is narrower (there 2048 or 512 wide); the default recipe is AdamW for a few minutes without weight
    decay of biases and norms.

    Args:
        dim: Dimension of the projections.
        hidden: Units of the head's hidden layers.
        depth: Number of linear layers in the head, at least 1.
        weight: Weight of centre, scale and shape, in (0, 1).
        shape_weight: Weight of the shape beside centre and scale, at least 0. More for classes of very unequal sizes.
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
        weight: float = 0.6,
        shape_weight: float = 1.0,
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
            raise UserError(f"depth and directions of visreg must be at least 1, not {depth} and {directions}")
        if not 0 < weight < 1 or shape_weight < 0:
            raise UserError(
                f"weight of visreg must be between 0 and 1, shape_weight at least 0, not {weight} and {shape_weight}"
            )
        if full < 1 or full + small < 2:
            raise UserError(f"visreg needs at least 1 full view and 2 views in all, not {full} and {full + small}")
        self.encoder = encoder
        self.head = projection(encoder.dim, hidden, dim, depth, last="none")
        self.weight, self.shape_weight = weight, shape_weight
        self.directions, self.full, self.count = directions, full, full + small
        self.views = varied(encoder, full, crop, small, small_crop, small_size, strength, flip, grey, blur, solarise)

    def terms(self) -> Terms:
        """Return the four terms: each sees all views."""
        names = ("invariance", *(name for name in Distance._fields if name != "shape" or self.shape_weight))
        return dict.fromkeys(names, ("encoder", "head", "views"))

    def targets(self) -> tuple[str, ...]:
        """Return the standard deviations of every view."""
        return ("deviation",) * self.count

    def forward(self, views: list[Tensor], clock: Clock, **_: Any) -> Outputs:
        """Return the loss and its terms over the images of all ranks."""
        z = [gather_with_gradient(one.float()) for one in by_size(self.encoder, self.head, views)]  # V of [N, dim]
        along = directions(z[0].shape[1], self.directions, clock.seed, clock.step, like=z[0])
        apart = distance_to_centre(z, self.full)
        terms = Distance(
            *(torch.stack(parts).mean() for parts in zip(*(from_normal(x, along) for x in z), strict=True))
        )
        regular = terms.centre + terms.scale + self.shape_weight * terms.shape
        return {
            "loss": (1 - self.weight) * apart + self.weight * regular,
            **matching(z[0] - z[0].mean(0), z[1] - z[1].mean(0)),
            "spread": spread(torch.cat(z)),
            "invariance": apart,
            **terms._asdict(),
        }


class Distance(NamedTuple):
    """How far samples are from a standard normal distribution: scalars."""

    centre: Tensor
    scale: Tensor
    shape: Tensor


def from_normal(z: Tensor, along: Tensor, epsilon: float = 1e-4) -> Distance:
    """Return the distance of z [N, D] from a standard normal distribution. `along` has unit vectors: [D, S]."""
    mean, sigma = z.mean(0), z.std(0, correction=0)
    with torch.autocast(z.device.type, enabled=False):
        x = ((z - mean) / (target("deviation", sigma) + epsilon)) @ along  # [N, S]
    normal = torch.special.ndtri(torch.arange(1, len(x) + 1, device=x.device, dtype=x.dtype) / (len(x) + 1))  # [N]
    shape = (x.sort(0).values - normal[:, None]).square().mean()
    return Distance(mean.square().mean(), (1 - sigma).square().mean(), shape)
