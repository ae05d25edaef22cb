"""Contrastive predictive coding of sound."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor, nn

from selftaught.encoders.wave import Context, Wave, unmixed
from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Planned, Terms
from selftaught.parts.foretold import beyond, shuffled, weighed
from selftaught.parts.gather import gather, gather_with_gradient, rank
from selftaught.views.audio import Take
from selftaught.views.speakers import Spoken

Among = Literal["mixed", "other", "same", "recording"]


@final
class CPC(Method):
    """Predict the codes of a recording's future from its past, with a contrastive loss.

    van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), "Representation Learning with Contrastive Predictive Coding",
    section 3.1. Strided convolutions encode the wave, a code every 160 samples; a recurrent network summarises the
    codes up to position t. From this context it must identify the true code k positions later among others. This
    requires what lasts longer than a code: sounds of speech, words, the voice. Noise does not help.

    With z_t the code of position t, c_t = g(z_1 ... z_t) and Z the candidates, z_t+k among them::

        f_k(z, c) = exp(z^T W_k c)        L = -mean_kt log( f_k(z_t+k, c_t) / sum_{z in Z} f_k(z, c_t) )

    What tells the candidates apart is what is learned: among those of other speakers the voice is enough; among those
    of the same speaker it is of no use, and the sounds must be known. The paper compares these.

    Shapes: sound is [B, 1, T]; codes are [B, D, t], contexts [B, U, t]. Padding has no part in it: no prediction starts
    there, and its codes are no candidates. The target itself is never a negative.

    The features of a recording are its pooled codes. Those of an encoder with a context of its own (--encoder.context)
    are its pooled contexts, and `context` has no effect then. Batch norm would let a code know of others, so an encoder
    that has it gets channel norm instead (Riviere et al. 2020, arXiv 2002.02848), and keeps its other weights.

    Departures: the loss is the mean over all predictions; predictions begin beyond the overlap of windows, where the
    paper's begin with the next code; the convolutions start as averages over time (see `wave`); the network is a tenth
    of the paper's 512 codes wide and has 128 units of context, not 256, because it learns for minutes; loudness changes
    at random, because recordings of one voice are alike in it.

    Args:
        steps: Number of distances that are predicted. Distances beyond the window are skipped. The paper has 12.
        negatives: Number of negative codes for each prediction, at most as many as there are.
        among: Where negatives come from: mixed = any place of any recording; other = other speakers; same = the same
            speaker, in any recording; recording = the same recording. Who speaks is the group of a recording
            (--groups), and without groups its class: other and same need one of them.
        context: Units of the recurrent network that summarises the codes.
        crop: Seconds of the random window that is heard, at most what the encoder hears.
        gain: Largest change of loudness, in dB.

    Raises:
        UserError: An argument is out of range, the window is too short to predict without overlap, or it is not known
            who speaks.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 16, "lr": 2e-3, "minutes": 4.0, "batch_norm_groups": 1}

    def __init__(
        self,
        encoder: Encoder,
        steps: int = 12,
        negatives: int = 128,
        among: Among = "mixed",
        context: int = 128,
        crop: float = 1.28,
        gain: float = 6.0,
    ) -> None:
        super().__init__()
        if min(steps, negatives, context) < 1:
            raise UserError(
                f"steps, negatives and context of cpc must be at least 1, not {steps}, {negatives} and {context}"
            )
        if among not in get_args(Among):
            raise UserError(f"among of cpc must be one of {', '.join(get_args(Among))}, not '{among}'")
        if not isinstance(encoder, Wave):
            raise UserError(f"cpc of recordings needs encoder wave, not {encoder.spec['name']}")
        self.encoder: Wave = unmixed(encoder)
        encoder = self.encoder  # the one that is trained
        self.views = Spoken(encoder.spec["input"], Take(crop=crop, gain=gain), among in ("other", "same"))
        samples = self.views.lengths[0]
        self.steps = beyond(encoder.receptive_field, encoder.stride, encoder.count(samples), steps)
        if not self.steps:
            raise UserError(
                f"cpc needs codes {self.steps.start} positions apart to predict without overlap, but windows of "
                f"{samples} samples have {encoder.count(samples)}: use a longer crop of longer recordings (--seconds)"
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
        return {"loss": ("encoder", *(("reader",) if self.reader is not None else ()), "maps", "sound")}

    def forward(
        self, sound: Tensor, sound_mask: Tensor, clock: Clock, speaker: Tensor | None = None, **_: Any
    ) -> Outputs:
        """Return the contrastive loss, averaged over all predictions."""
        z = self.encoder.encode(sound, sound_mask)[-1]  # [B, D, t]
        read = self.encoder.reader if self.reader is None else self.reader
        assert read is not None
        found = self.predict(z, read(z), self.encoder.there(sound_mask), speaker, clock)
        return {name: torch.stack([one[name] for one in found]).mean() for name in found[0]}

    def predict(
        self, z: Tensor, c: Tensor, there: Tensor, speaker: Tensor | None, clock: Clock
    ) -> list[dict[str, Tensor]]:
        """Return one `info_nce` for each step.

        z: Codes [B, D, t], of which the first `there` [B] of each recording count. c: Contexts [B, U, t].
        """
        (batch, _, length), rows = z.shape, z.transpose(1, 2)  # rows: [B, t, D]
        valid = torch.arange(length, device=z.device) < there[:, None]  # [B, t]
        everyone, counts = gather_with_gradient(rows.flatten(0, 1)), gather(valid.flatten())  # [N, D], [N]
        own = torch.arange(batch, device=z.device) + rank() * batch  # the recordings of this rank among all
        place = own[:, None] * length + torch.arange(length, device=z.device)  # [B, t]
        drawn, apart = self.candidates(shuffled(counts, clock.seed, clock.step), length, own, speaker)  # [B, K] each
        among = everyone[drawn].transpose(1, 2)  # [B, D, K]
        found = []
        for k, w in zip(self.steps, self.maps, strict=True):
            query, use = w(c[:, :, :-k].transpose(1, 2)), valid[:, k:]  # [B, t - k, D], [B, t - k]
            positive = (query * rows[:, k:]).sum(2)
            no = (place[:, k:, None] == drawn[:, None]) | apart[:, None]  # itself, and what is not asked for
            negative = (query @ among).masked_fill(no, -torch.inf)
            found.append(weighed(positive[use], negative[use], 1.0))
        return found

    def candidates(self, order: Tensor, length: int, own: Tensor, speaker: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the places of K codes for each recording, int64 [B, K], and which of them are none: bool [B, K].

        order: The places of all codes in random order, [M]. own: The recordings of this rank, [B].
        """
        if self.among == "mixed":
            fit = torch.ones(len(own), len(order), dtype=torch.bool, device=order.device)
        elif self.among == "recording":
            fit = own[:, None] == order // length
        else:
            assert speaker is not None
            fit = (speaker[:, None] == gather(speaker)[order // length]) == (self.among == "same")
        first = torch.sort((~fit).to(torch.uint8), dim=1, stable=True).indices[:, : self.negatives]
        return order[first], ~fit.gather(1, first)
