"""wav2vec 2.0."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught import views
from selftaught.encoders.wave_transformer import WaveTransformer
from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Terms
from selftaught.parts.foretold import weighed
from selftaught.parts.gather import average, gather
from selftaught.parts.product_quantiser import ProductQuantiser, Quantised, usage
from selftaught.parts.shown import Shown, Table
from selftaught.views.audio import OneTake, Take
from selftaught.views.hidden import Hidden
from selftaught.views.numbers import Numbers

ALIVE = 2.0
"""Perplexity of the chosen entries of a group below which they have collapsed."""
UNITS = 12
"""Units of a recording that the report names."""


@final
class Wav2Vec(Method):
    """Tell, where sound is hidden, which of a recording's learned units was there.

    Baevski, Zhou, Mohamed, Auli, NeurIPS 2020 (arXiv 2006.11477), "wav2vec 2.0: A Framework for Self-Supervised
    Learning of Speech Representations". Strided convolutions encode the wave; spans of the codes are hidden, and a
    Transformer reads the rest. What it says at a hidden position must be closer to the quantised code of that position
    than to those of other hidden positions of the recording. The units are learned with the rest.

    With z_t the code, q_t its entries of a product quantiser, c_t what the Transformer returns, A and B linear maps,
    N_t distractors of the same recording, and p_g the mean odds of the entries of group g over all hidden positions::

        s(c, q) = cos(A c, B q) / temperature
        L = -mean_t log( exp s(c_t, q_t) / sum_{q in q_t, N_t} exp s(c_t, q) )
            + diversity * (1 - mean_g exp(H(p_g)) / V) + penalty * mean z^2

    A distractor of the same entries as q_t is none. So if all positions have the same, there is nothing to tell apart
    and the first term is 0: "codes", the share of all entries that a batch uses, and "perplexity", how many of a
    group's entries are as good as used, say whether a low loss means something. From step `guard` on a run ends when
    the perplexity is below 2.

    Shapes: sample is [B, 1, T], hide [B, P], codes and contexts [B, D, P]; z are quantised at hidden positions alone.

    Departures: the quantiser takes a moving mean off its logits, and divides by their moving deviation (`centring`).
    Codes have much in common, so without the first a small network finds one entry for all of them within a hundred
    steps, and has nothing left to tell apart; without the second, noise chooses the entries in training. Hidden are
    spans at random times until there are enough of `share`, so every recording has equally many, of which padding is
    left out; the paper starts a span at 6.5% of the positions. Distractors are drawn without replacement from all
    others of the window, of which there are less than 100 in 2 seconds. The penalty is on codes that are normalised and
    rectified, so it bounds little, and its weight is 0.1 (10). No dropout, no dropped layers, no smaller gradient of
    the convolutions. The network and the codebooks are small (12 blocks of 768, 2 x 320 entries); the temperature of
    the Gumbel softmax falls from its first value to its last in the run, whatever its length; the guard is not in the
    paper.

    Args:
        share: Part of the positions that is hidden, in (0, 1).
        span: Positions of a hidden span.
        negatives: Number of distractors for each position, at most as many as there are.
        temperature: Temperature of the cosines, above 0.
        groups: Groups of the quantiser. Must divide `width`.
        entries: Entries of each group.
        width: Width of quantised codes, and of the space in which they are compared.
        gumbel: Temperature of the Gumbel softmax at the start, above 0.
        last: Temperature of the Gumbel softmax at the end, from 0 to `gumbel`.
        sharpness: Standard deviation of the quantiser's logits after centring, above 0.
        centring: Momentum of the moving mean and deviation of the logits, in [0, 1]; 1 = they stay as they are, as in
            the paper, and `sharpness` has no effect.
        diversity: Weight of the diversity loss, at least 0.
        penalty: Weight of the penalty on codes, at least 0.
        crop: Seconds of the random window that is heard, at most what the encoder hears.
        gain: Largest change of loudness, in dB.
        guard: Steps after which a collapsed quantiser ends the run.

    Raises:
        UserError: An argument is out of range, or the window is too short to hide a span.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 16, "lr": 1e-3, "betas": (0.9, 0.98), "weight_decay": 0.01, "clip": 1.0, "warmup": 0.1,
        "minutes": 4.0,
    }  # fmt: skip
    sees = ("audio",)
    network = "wave_transformer"

    def __init__(
        self,
        encoder: Encoder,
        share: float = 0.5,
        span: int = 10,
        negatives: int = 100,
        temperature: float = 0.1,
        groups: int = 2,
        entries: int = 64,
        width: int = 128,
        gumbel: float = 2.0,
        last: float = 0.5,
        sharpness: float = 3.0,
        centring: float = 0.9,
        diversity: float = 0.1,
        penalty: float = 0.1,
        crop: float = 2.0,
        gain: float = 6.0,
        guard: int = 500,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, WaveTransformer):
            raise UserError(f"wav2vec needs encoder wave_transformer, not {encoder.spec['name']}")
        if negatives < 1 or guard < 0 or min(diversity, penalty) < 0:
            raise UserError(
                "negatives of wav2vec must be at least 1, guard, diversity and penalty at least 0, not "
                f"{negatives}, {guard}, {diversity} and {penalty}"
            )
        if temperature <= 0 or not 0 < last <= gumbel:
            raise UserError(
                "temperature, gumbel and last of wav2vec must be greater than 0, last at most gumbel, not "
                f"{temperature}, {gumbel} and {last}"
            )
        if not 0 <= centring <= 1:
            raise UserError(f"centring of wav2vec must be in [0, 1], not {centring}")
        take = OneTake(encoder.spec["input"], Take(crop=crop, gain=gain))
        positions = encoder.codes.count(take.length)
        self.encoder: WaveTransformer = encoder
        self.quantiser = ProductQuantiser(encoder.dim, groups, entries, width, sharpness)
        self.token = nn.Parameter(torch.rand(encoder.dim))
        self.said, self.meant = nn.Linear(encoder.dim, width), nn.Linear(width, width)
        self.views = Numbers(
            Hidden(take, (positions,), share, span), order=(positions,), noise=(positions, groups, entries)
        )
        self.negatives, self.temperature, self.gumbel, self.last = negatives, temperature, gumbel, last
        self.centring = centring
        self.diversity, self.penalty, self.guard = diversity, penalty, guard

    def terms(self) -> Terms:
        """Return the three terms."""
        heard = ("encoder", "sample")
        return {
            "contrast": (*heard, "quantiser", "token", "said", "meant", "noise"),
            "spread": (*heard, "quantiser"),
            "energy": heard,
        }

    def targets(self) -> tuple[str, ...]:
        """Return what makes the chosen entries of their odds: straight through it goes the gradient of these."""
        return ("codes",)

    def forward(
        self, sample: Tensor, hide: Tensor, order: Tensor, noise: Tensor, clock: Clock, mask: Tensor | None = None,
        **_: Any,
    ) -> Outputs:  # fmt: skip
        """Return the loss at the hidden positions, its terms, and how the entries are used."""
        z, there = self.encoder.encode(sample, mask)  # [B, D, P], [B, P]
        where = hide & there
        q = self.quantiser(z.transpose(1, 2), noise, self.softness(clock))
        positive, negative = self.scores(z, there, hide, order, q)  # [B, P], [B, P, P]
        found = weighed(positive[where], negative[where], 1.0)
        contrast, used = found.pop("loss"), usage(q, where)
        spread = used.pop("diversity")
        count = average(there.sum().to(z)).clamp(min=1)  # ranks have other numbers of positions
        energy = z.square().mean(1).sum() / count
        loss = contrast + self.diversity * spread + self.penalty * energy
        return {
            "loss": loss,
            "contrast": contrast,
            "spread": spread,
            "energy": energy,
            **found,
            **used,
            **self.quantiser.moments(q, where),
        }

    def scores(self, z: Tensor, there: Tensor, hide: Tensor, order: Tensor, q: Quantised) -> tuple[Tensor, Tensor]:
        """Return how well what is said at each position fits its own code, [B, P], and its distractors, [B, P, P].

        A position that is no distractor, or has the same entries, fits with -inf.
        """
        c = self.encoder.read(z, there, (hide, self.token))[-1].transpose(1, 2)
        said, meant = F.normalize(self.said(c), dim=2), F.normalize(self.meant(q.vectors), dim=2)
        fits = said @ meant.mT / self.temperature
        same = (q.chosen[:, :, None] == q.chosen[:, None]).all(3)
        others = distractors(hide & there, order, self.negatives)
        return fits.diagonal(dim1=1, dim2=2), fits.masked_fill(same | ~others, -torch.inf)

    def softness(self, clock: Clock) -> float:
        """Return the temperature of the Gumbel softmax, which falls by the same factor in every step."""
        return float(self.gumbel * (self.last / self.gumbel) ** clock.progress)

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Update the centre of the quantiser. Raises UserError when it has collapsed."""
        count = gather(outputs["hidden"]).sum().clamp(min=1)
        logits, squares = (gather(outputs[name]).sum(0) / count for name in ("logits", "squares"))
        self.quantiser.follow(logits, squares, self.centring)
        if clock.step >= self.guard and float(outputs["perplexity"]) < ALIVE:
            raise UserError(
                f"the codes of wav2vec have collapsed at step {clock.step}: {float(outputs['perplexity']):.2f} entries "
                f"of a group are in use: raise --diversity, lower --lr, or let --guard begin later"
            )

    def show(self, sample: Tensor, hide: Tensor, order: Tensor, noise: Tensor, mask: Tensor | None = None, **_: Any
    ) -> list[Shown]:  # fmt: skip
        """Show recordings, what is heard of them, how often what was hidden is told, and the units that they are."""
        z, there = self.encoder.encode(sample, mask)
        q = self.quantiser(z.transpose(1, 2), noise, self.last)
        positive, negative = self.scores(z, there, hide, order, q)
        right, where = positive > negative.amax(2), hide & there
        rows: list[list[str | float | None]] = [
            [n, int(w.sum()), f"{100 * float(r[w].float().mean()):.0f}" if w.any() else "-", units(chosen[t])]
            for n, (w, r, chosen, t) in enumerate(zip(where, right, q.chosen, there, strict=True), 1)
        ]
        silent = hide.repeat_interleave(self.encoder.codes.stride, 1)[:, None, : sample.shape[2]]
        seen = self.encoder.spec["input"]
        sounds = {"whole": sample, "what is heard of it": sample.masked_fill(silent, 0)}
        told = Table("what was hidden, and the units", ["recording", "hidden", "told in %", "units"], rows)
        return [row for name, x in sounds.items() if (row := views.show(name, x, seen)) is not None] + [told]


def distractors(where: Tensor, order: Tensor, count: int) -> Tensor:
    """Return which positions are distractors of which: bool [B, P, P].

    Those of a position are the next `count` in a random circle of the positions `where`, bool [B, P], of its sample;
    at most all others. order: Random numbers, [B, P], by which the circle is made.
    """
    place = order.masked_fill(~where, torch.inf).argsort(1).argsort(1)  # [B, P]: those `where` come first
    ahead = (place[:, None] - place[:, :, None]) % where.sum(1).clamp(min=1)[:, None, None]
    return (ahead >= 1) & (ahead <= count) & where[:, None]


def units(chosen: Tensor) -> str:
    """Return the entries of positions in order, int64 [P, G], each of which may last for several."""
    found = torch.unique_consecutive(chosen, dim=0).tolist()
    return " ".join("-".join(map(str, one)) for one in found[:UNITS]) + (" ..." if len(found) > UNITS else "")
