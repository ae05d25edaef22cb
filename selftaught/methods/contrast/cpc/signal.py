"""Contrastive predictive coding of series."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor, nn

from selftaught.encoders.wave import Context, Wave, unmixed
from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Planned, Terms
from selftaught.parts.foretold import beyond, shuffled, weighed
from selftaught.parts.gather import gather, gather_with_gradient, rank
from selftaught.views.signal import Look, SignalViews

Among = Literal["mixed", "other", "same"]


@final
class CPC(Method):
    """Predict the codes of a series' future from its past, with a contrastive loss.

    van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), "Representation Learning with Contrastive Predictive Coding".
    Strided convolutions encode a series position by position; a recurrent network summarises the codes up to position
    t. From this context it must identify the true code k positions later among codes of other places and series. This
    requires features that distant parts share; noise does not help.

    With z_t the code of position t, c_t = g(z_1 ... z_t) and Z the candidates, z_t+k among them::

        f_k(z, c) = exp(z^T W_k c / sqrt(D))        L = -mean_kt log( f_k(z_t+k, c_t) / sum_{z in Z} f_k(z, c_t) )

    k takes `steps` values, starting at the first whose window shares no sample with that of t, so that the answer
    cannot be copied.

    Shapes: series is [B, C, T]; codes are [B, D, t], contexts [B, U, t]. Padding has no part in it: no prediction
    starts there, and its codes are no candidates. The target itself is never a negative.

    The features of a series are its pooled codes. Those of an encoder with a context of its own (--encoder.context) are
    its pooled contexts, and `context` has no effect then. Batch norm would let a code know of others, so an encoder
    that has it gets channel norm instead, and keeps its other weights.

    Departures: scores are divided by sqrt(D); the loss is the mean over all predictions; predictions begin beyond the
    overlap of windows, where the paper's begin with the next code (10 ms later, of windows of 29 ms); windows are most
    of a short series, changed in height and with a little noise, where the paper cuts 1.28 s of long recordings; the
    default recipe is AdamW for a few minutes on a small network.

    Args:
        steps: Number of distances that are predicted. Distances beyond the series are skipped. The paper has 12.
        negatives: Number of negative codes for each prediction, at most as many as there are.
        among: Where negatives come from: mixed = any place of any series; other = other series alone, which a series'
            own character (the speaker) is enough to tell; same = the same series alone, where it is of no use.
        context: Units of the recurrent network that summarises the codes.
        crop: Length of the random window that is seen, as a part of the encoder's input.
        scale: Largest change of the height of a channel: its factor is in [1 - scale, 1 + scale].
        noise: Noise on every sample, in standard deviations of the channel.

    Raises:
        UserError: An argument is out of range, or the series are too short to predict without overlap.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 32, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    effects: ClassVar[dict[str, Any]] = {"negatives": {"among": ("mixed", "other")}}

    def __init__(
        self,
        encoder: Encoder,
        steps: int = 4,
        negatives: int = 64,
        among: Among = "mixed",
        context: int = 64,
        crop: float = 0.9,
        scale: float = 0.2,
        noise: float = 0.05,
    ) -> None:
        super().__init__()
        if min(steps, negatives, context) < 1:
            raise UserError(
                f"steps, negatives and context of cpc must be at least 1, not {steps}, {negatives} and {context}"
            )
        if among not in get_args(Among):
            raise UserError(f"among of cpc must be one of {', '.join(get_args(Among))}, not '{among}'")
        if not isinstance(encoder, Wave):
            raise UserError(f"cpc of signals needs encoder wave, not {encoder.spec['name']}")
        self.encoder: Wave = unmixed(encoder)
        encoder = self.encoder  # the one that is trained
        self.views = SignalViews(encoder.spec["input"], series=Look(crop=crop, scale=scale, noise=noise))
        self.steps = beyond(encoder.receptive_field, encoder.stride, encoder.count(self.views.lengths[0]), steps)
        if not self.steps:
            raise UserError(
                f"cpc needs codes {self.steps.start} positions apart to predict without overlap, but windows of "
                f"{self.views.lengths[0]} samples have {encoder.count(self.views.lengths[0])}: use longer series, or "
                "smaller kernels and strides of encoder wave"
            )
        self.negatives, self.among = negatives, among
        self.reader = None if encoder.reader is not None else Context(encoder.codes, context)
        units = context if encoder.reader is None else encoder.features
        self.maps = nn.ModuleList(nn.Linear(units, encoder.codes, bias=False) for _ in self.steps)

    def unused(self, planned: Planned) -> dict[str, str]:
        """See `Method.unused`."""
        said = "context has no effect, because the encoder has a context of its own: remove it"
        return super().unused(planned) | ({"context": said} if self.reader is None else {})

    def terms(self) -> Terms:
        """Return the only term: it moves contexts and targets."""
        return {"loss": ("encoder", *(("reader",) if self.reader is not None else ()), "maps", "series")}

    def forward(self, series: Tensor, series_mask: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return the contrastive loss, averaged over all predictions."""
        z = self.encoder.encode(series, series_mask)[-1]  # [B, D, t]
        read = self.encoder.reader if self.reader is None else self.reader
        assert read is not None
        there = self.encoder.there(series_mask)  # [B]
        found = self.predict(z, read(z), there, clock)
        return {name: torch.stack([one[name] for one in found]).mean() for name in found[0]}

    def predict(self, z: Tensor, c: Tensor, there: Tensor, clock: Clock) -> list[dict[str, Tensor]]:
        """Return one `info_nce` for each step.

        z: Codes [B, D, t], of which the first `there` [B] of each series count. c: Contexts [B, U, t].
        """
        batch, codes, length = z.shape
        rows = z.transpose(1, 2)  # [B, t, D]
        at = torch.arange(length, device=z.device)
        valid = at < there[:, None]  # [B, t]
        owner = torch.arange(batch, device=z.device)[:, None].expand(batch, length) + rank() * batch
        place = owner * length + at
        everyone, counts = gather_with_gradient(rows.flatten(0, 1)), gather(valid.flatten())
        drawn = shuffled(counts, clock.seed, clock.step)[: self.negatives]  # [K]
        found = []
        for k, w in zip(self.steps, self.maps, strict=True):
            query = w(c[:, :, :-k].transpose(1, 2))  # [B, t - k, D]
            use = valid[:, k:]  # the target is there, and so is what comes before it
            positive = (query * rows[:, k:]).sum(2)[use]  # [Q]
            if self.among == "same":
                scores = query @ z  # [B, t - k, t]
                out = (at[k:, None] == at) | ~valid[:, None]  # itself, and padding
                negative = scores.masked_fill(out, -torch.inf)[use]  # [Q, t]
            else:
                scores = query[use] @ everyone[drawn].T  # [Q, K]
                own = place[:, k:][use][:, None] == drawn
                if self.among == "other":
                    own = owner[:, k:][use][:, None] == drawn // length
                negative = scores.masked_fill(own, -torch.inf)
            found.append(weighed(positive, negative, math.sqrt(codes)))
        return found
