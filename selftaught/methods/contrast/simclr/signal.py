"""SimCLR of series and of sound."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts.gather import gather_with_gradient, rank
from selftaught.parts.heads import projection
from selftaught.parts.nt_xent import nt_xent
from selftaught.views.signal import Look, SignalViews


@final
class SimCLR(Method):
    """Contrastive learning between two views of a series, with the rest of the batch as negatives.

    Chen, Kornblith, Norouzi, Hinton, ICML 2020 (arXiv 2002.05709), "A Simple Framework for Contrastive Learning of
    Visual Representations", with views of series: windows, other heights of the channels, noise, and a hidden stretch.
    Every other series in the batch is a negative, so no state is kept between steps. The loss is computed after a small
    projection head and the features are taken before it, so that the head can discard what the views destroy.

    With z_1 ... z_2N the normalised projections of N pairs, s_ij = z_i . z_j, and j(i) the other view of the series of
    i, the loss NT-Xent is::

        L = -1/(2N) sum_i log( exp(s_ij(i)/t) / sum_{k != i} exp(s_ik/t) )

    Shapes: views is a list of two [B, C, T]; z is [2B, dim]; N counts the samples of all ranks. The matrix s is never
    stored.

    Departures: the paper is of images, so the views are this library's (`views/signal`); the head is narrower and the
    default batch smaller, because public sets of series are small; the default recipe is AdamW for a few minutes
    instead of LARS for 100 to 1000 epochs.

    Args:
        dim: Dimension of the projections that are compared.
        hidden: Units in the head's hidden layers.
        depth: Number of linear layers in the head: 2 in the paper, 1 for a linear head, 0 to compare the features
            themselves.
        temperature: Temperature t, greater than 0.
        crop: Length of the random window that is a view, as a part of the encoder's input.
        scale: Largest change of the height of a channel: its factor is in [1 - scale, 1 + scale].
        noise: Noise on every sample, in standard deviations of the channel.
        hide: Longest stretch that is hidden, as a part of the view.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 32, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("signal", "audio")
    together = 2

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 64,
        hidden: int = 256,
        depth: int = 2,
        temperature: float = 0.2,
        crop: float = 0.8,
        scale: float = 0.3,
        noise: float = 0.1,
        hide: float = 0.2,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise UserError(f"temperature of simclr must be greater than 0, not {temperature}")
        self.encoder, self.temperature = encoder, temperature
        self.head = projection(encoder.dim, hidden, dim, depth)
        look = Look(crop=crop, scale=scale, noise=noise, hide=hide)
        self.views = SignalViews(encoder.spec["input"], views=[look, look])

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "views") if len(self.head) else ("encoder", "views")}

    def forward(self, views: list[Tensor], views_mask: list[Tensor], **_: Any) -> Outputs:
        """Return the loss over all ranks' views, for the views of this rank."""
        x, mask = (torch.stack(both, 1).flatten(0, 1) for both in (views, views_mask))  # [2B, ...]: views side by side
        z = F.normalize(self.head(self.encoder(x, mask=mask)), dim=1)  # [2B, dim]
        return nt_xent(z, gather_with_gradient(z), rank() * len(z), self.temperature)
