"""LeJEPA of series."""

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
from selftaught.views.signal import Look, SignalViews


@final
class LeJEPA(Method):
    """Make the views of a series agree, and the embeddings of all series normally distributed.

    Balestriero, LeCun 2025 (arXiv 2511.08544), "LeJEPA: Provable and Scalable Self-Supervised Learning Without the
    Heuristics", with views of series. A statistical test prevents collapse: along every random direction the embeddings
    of a batch should be a sample of N(0, 1). There is no momentum encoder, stop-gradient, predictor, negative or
    schedule.

    With z_v the projections of view v, c the mean of those of the long views of the same series, and T the statistic of
    Epps and Pulley (`parts/sigreg`) of a view's projections on a direction a::

        L = (1 - weight) * mean_{v, series, coordinates} (c - z_v)^2
          + weight * mean_v mean_a T({a . z_v of all series})

    Shapes: views is a list of [B, C, T], the long ones first, then the short ones; z is [B, dim].

    As there are no labels to predict, "accuracy" is how often a view's centred projection is closest in direction,
    among the batch, to that of another view of its series; "invariance" and "normality" are the two terms without their
    weights. "normality" is about 1.05 for a normal sample, and 0.4 times the batch when collapsed; "spread" of the
    projections is 1 when healthy and 0 when collapsed.

    Directions are drawn anew in each step, the same on all ranks, and the statistic is that of the series of all ranks,
    for each view by itself. Departures: the paper is of images, so the views are this library's (`views/signal`), with
    short windows in place of small crops; the head is narrower; the default batch is 32, because public sets of series
    are small, and weight is larger for it; the default recipe is AdamW for a few minutes without weight decay of biases
    and norms.

    Args:
        dim: Dimension of the projections.
        hidden: Units of the head's hidden layers.
        depth: Number of linear layers in the head, at least 1.
        weight: Weight of the statistic, in (0, 1). Multiply it by 32 / batch for another batch size.
        directions: Number of random directions of a step.
        full: Number of long views, at least 1.
        small: Number of short views. There must be two views in all.
        crop: Length of a long view, as a part of the encoder's input.
        small_crop: Length of a short view, as a part of the encoder's input.
        scale: Largest change of the height of a channel: its factor is in [1 - scale, 1 + scale].
        noise: Noise on every sample, in standard deviations of the channel.
        hide: Longest stretch that is hidden, as a part of the view.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 32, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    effects: ClassVar[dict[str, Any]] = {"small_crop": {"small": 0}}
    together = 2

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 32,
        hidden: int = 256,
        depth: int = 3,
        weight: float = 0.1,
        directions: int = 256,
        full: int = 2,
        small: int = 0,
        crop: float = 0.8,
        small_crop: float = 0.4,
        scale: float = 0.3,
        noise: float = 0.1,
        hide: float = 0.2,
    ) -> None:
        super().__init__()
        if depth < 1 or directions < 1:
            raise UserError(f"depth and directions of lejepa must be at least 1, not {depth} and {directions}")
        if not 0 < weight < 1:
            raise UserError(f"weight of lejepa must be between 0 and 1, not {weight}")
        if full < 1 or small < 0 or full + small < 2:
            raise UserError(f"lejepa needs at least 1 full view and 2 views in all, not {full} and {full + small}")
        self.encoder = encoder
        self.head = projection(encoder.dim, hidden, dim, depth, last="none")
        self.weight, self.directions, self.full = weight, directions, full
        long, short = (Look(crop=part, scale=scale, noise=noise, hide=hide) for part in (crop, small_crop))
        self.views = SignalViews(encoder.spec["input"], views=[long] * full + [short] * small)

    def terms(self) -> Terms:
        """Return the two terms: each sees all views."""
        return dict.fromkeys(("invariance", "normality"), ("encoder", "head", "views"))

    def forward(self, views: list[Tensor], views_mask: list[Tensor], clock: Clock, **_: Any) -> Outputs:
        """Return the loss and its two terms, the second over the series of all ranks."""
        z = [one.float() for one in by_size(self.encoder, self.head, views, views_mask)]  # V of [B, dim]
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
