"""Deep Co-Training: codes of the past that say much about the future and are cheap to remember."""

from __future__ import annotations

import math
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs
from selftaught.parts.gather import average
from selftaught.parts.heads import projection
from selftaught.parts.shown import Shown, Table
from selftaught.parts.target import target
from selftaught.views import halves

LEAST = 1e-8
"""Smallest probability in the tables, so that a pair of codes that was not seen yet costs a finite number."""


@final
class DeepCoTraining(Method):
    """Give each half of a sample a discrete code, so that the first says much about the second and costs little.

    McAllester 2018 (arXiv 1802.07572), "Information Theoretic Co-Training", with the price of memory of his proposal
    "Deep Co-Training": features of the past that tell of the future. Only codes are modelled, never the samples.

    With z one of V symbols, drawn with the probabilities softmax(head(encoder(x))), and x, y the two halves (left and
    right of an image, past and future of a series or of a text)::

        maximise   I - beta H = (1 - beta) H(z(x)) - H(z(x) | z(y))
        H(z(x))        = E -ln P_psi(z(x))            <= with the best P_psi, which is the share of each symbol
        H(z(x) | z(y)) = E -ln P_phi(z(x) | z(y))     <= with the best P_phi, which is the share among each z(y)

    Both entropies are bounds from above, so their difference is an estimate of the information and bounds it on neither
    side. Both models are tables. The best ones are known, so they are not trained but counted: expected counts of pairs
    of symbols, of this batch and, faded by `memory` a step, of those before. They are fixed where the gradient is
    taken, which is that of the entropies themselves, as the best table is stationary.

    Shapes: first and second are those of the encoder; codes are [B, codes, V] probabilities, the counts [codes, V, V].

    With beta 0 the codes may use all V symbols; as it grows, what says nothing about the other half is dropped, as far
    as gradients find it. At beta 1 nothing is worth its price. "information" is I, "rate" H(z(x)), both in bits and
    averaged over the codes; "accuracy" is how often the likeliest symbol of the first half is the best guess from that
    of the second, "chance" how often the most frequent symbol is.

    Departures: the proposal names neither networks nor data: encoder, halves and head are this library's. Several codes
    side by side (`codes`), each with an objective of its own, in place of one with more symbols. Continuous codes,
    whose scale would have to be fixed, are left out.

    Args:
        beta: Price of a nat of memory, in [0, 1).
        symbols: Number V of symbols of a code, at least 2.
        codes: Number of codes of a sample, at least 1.
        memory: What is left of the counts after a step, in [0, 1).
        hidden: Units of the head's hidden layer. 0 = the head is linear.
        sharp: Standard deviation of the first scores of a symbol, above 0. Hard codes learn faster; soft ones keep less
            of what is not shared, as they drift where a step from one frequent symbol to another changes nothing.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("image", "signal", "text")
    together = 2

    counts: Tensor

    def __init__(
        self,
        encoder: Encoder,
        beta: float = 0.1,
        symbols: int = 32,
        codes: int = 4,
        memory: float = 0.9,
        hidden: int = 0,
        sharp: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= beta < 1 or not 0 <= memory < 1:
            raise UserError(f"beta and memory of deep_co_training must be in [0, 1), not {beta} and {memory}")
        if symbols < 2 or codes < 1 or hidden < 0 or not sharp > 0:
            raise UserError(
                "deep_co_training needs symbols of at least 2, codes of at least 1, hidden of at least 0 and sharp "
                f"above 0, not {symbols}, {codes}, {hidden} and {sharp}"
            )
        self.encoder = encoder
        # batch norm keeps the first codes apart: where all are alike, no table prefers one
        self.head = projection(encoder.dim, hidden or 1, codes * symbols, depth=2 if hidden else 1)
        nn.init.constant_(self.head[-1].get_parameter("weight"), sharp)
        self.beta, self.memory, self.symbols = beta, memory, symbols
        self.register_buffer("counts", torch.zeros(codes, symbols, symbols))
        self.views = halves(encoder.spec["input"])

    def targets(self) -> tuple[str, ...]:
        """Return the tables, which are the best ones for the codes as they are."""
        return ("tables",)

    def forward(
        self, first: Any, second: Any, first_mask: Tensor | None = None, second_mask: Tensor | None = None, **_: Any
    ) -> Outputs:
        """Return beta H - I in nats, and the pairs of symbols of this batch for `after_step`."""
        x, y = self.code(first, first_mask), self.code(second, second_mask)  # [B, codes, V] each
        joint = torch.einsum("bcv,bcw->cvw", x, y) / len(x)  # expected shares of pairs: z(x), z(y)
        everyone = average(joint.detach().clone())
        tables = target("tables", self.memory * self.counts + everyone)
        tables = tables / tables.sum((1, 2), keepdim=True) + LEAST
        alone, given = tables.sum(2), tables / tables.sum(1, keepdim=True)  # P_psi [codes, V], P_phi(z(x) | z(y))
        rate = -(joint.sum(2) * alone.log()).sum(1)  # [codes]
        rest = -(joint * given.log()).sum((1, 2))
        loss = (rest - (1 - self.beta) * rate).mean()
        with torch.no_grad():
            one, other = x.argmax(2), y.argmax(2)  # [B, codes]
            guess = given.argmax(1)  # [codes, V]: of z(x), for each z(y)
            right = one == guess.gather(1, other.T).T
            common = alone.argmax(1) == one
        bits = {"rate": rate.mean() / math.log(2), "information": (rate - rest).mean() / math.log(2)}
        right, common = right.float().mean(), common.float().mean()
        return {"loss": loss, "accuracy": right, "chance": common, **bits, "pairs": everyone[None]}

    def code(self, x: Any, mask: Tensor | None) -> Tensor:
        """Return the probabilities of the symbols of each sample's codes, float32 [B, codes, V]."""
        features = self.encoder(x) if mask is None else self.encoder(x, mask=mask)
        scores: Tensor = self.head(features).float().unflatten(1, (-1, self.symbols))
        return F.softmax(scores, 2)

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Add the pairs of symbols of this step to the counts."""
        self.counts.mul_(self.memory).add_(outputs["pairs"].mean(0))

    def show(self, first: Any, second: Any, **_: Any) -> list[Shown]:
        """Show how often each pair of symbols of the first code occurred, the most frequent ones."""
        shares = self.counts[0] / self.counts[0].sum().clamp(min=LEAST)
        alone = shares.sum(1)[:, None] * shares.sum(0)  # what it would be if they said nothing of each other
        best = shares.flatten().topk(min(20, shares.numel())).indices.tolist()
        rows = [
            [str(i // self.symbols), str(i % self.symbols), f"{100 * shares.flatten()[i]:.1f}%",
             f"{100 * alone.flatten()[i]:.1f}%"] for i in best
        ]  # fmt: skip
        return [Table("pairs of symbols", ["first half", "second half", "share", "share if independent"], rows)]
