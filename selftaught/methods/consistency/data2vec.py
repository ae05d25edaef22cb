"""data2vec."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Self, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught import views
from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Hides, Method, Outputs, ReadsOn
from selftaught.parts.gather import average, world
from selftaught.parts.matching import matching
from selftaught.parts.momentum import momentum_copy
from selftaught.parts.shown import Shown, Table
from selftaught.parts.symbols import MASK, spelt
from selftaught.views.hidden import Hidden

Normalise = Literal["instance", "layer"]
Output = Literal["block", "mlp"]
LEAST, LEAST_PREDICTED = 0.1, 0.01
"""Standard deviations of targets and of predictions below which a run has collapsed (the released code's)."""


@final
class Data2Vec(Method):
    """Predict, where a sample is hidden, what a slow copy of the network sees there: one algorithm for every kind.

    Baevski, Hsu, Xu, Babu, Gu, Auli, ICML 2022 (arXiv 2202.03555), "data2vec: A General Framework for Self-supervised
    Learning in Speech, Vision and Language". What is predicted is neither pixels, nor tokens, nor sound, but features
    of the whole sample, so nothing in it depends on the kind: hidden positions are patches, tokens or moments.

    With a_b the teacher's block b at position t of the unhidden sample, N a normalisation, K the last blocks and M the
    hidden positions::

        y_t = 1/K sum_{b in K} N(a_b)_t,    L = 1/|M| sum_{t in M} 1/sqrt(D) sum_d l(head(student(hidden))_td - y_td)
        l(e) = e^2 / (2 beta) for |e| <= beta, else |e| - beta / 2;  e^2 where beta is 0
        teacher <- m * teacher + (1 - m) * student,     m from `momentum` to `last`, then constant

    Shapes: sample is that of the encoder, such as [B, C, S, S] or ids [B, T]; hide is bool [B, P]; y is [B, P, D].

    Nothing but the momentum and N keeps the targets from being all equal. "target_deviation" and "deviation" are the
    standard deviations of targets and predictions over the hidden positions of all ranks, averaged over the features.
    From step `guard` on a run ends when they are below 0.1 and 0.01.

    As there are no labels to predict, "accuracy" is how often the prediction for a sample's first hidden position is
    closest in direction, among those of the batch, to its own target. "error" is the mean squared error, and "guess"
    that of always saying the mean of the targets. A teacher that is too fast makes targets that follow from the
    position alone: then the error falls far below the guess, no standard deviation does, and features get worse.

    The paper's text hides 35% in spans of 4 with K = 10 and beta 4; speech half in spans of 10 with K = 8, beta 0 and
    N over time; images 60% in blocks with K = 6 and beta 2; text and speech average what the MLPs add, images what the
    blocks return. Departures: one set of defaults for all kinds; every sample has equally many hidden positions, of
    which one block may be cut; a hidden token is never left as it is or replaced by another word; views have no change
    of colours; the guard begins after 500 steps (5000) and is there for every kind; the rise of the momentum is a share
    of the run; AdamW for minutes on a small network, which is too short for text: features of sentences are then no
    better than untrained ones.

    Args:
        share: Part of the positions that is hidden, in (0, 1).
        span: Positions of a hidden block, along each axis.
        layers: Number K of the teacher's last blocks that are averaged, at most those of the encoder.
        output: What is averaged: what the blocks return, or what their MLPs add to it.
        normalise: N: instance, each feature over the positions of a sample; or layer, each position over its features.
        beta: Where the loss passes from square to absolute value, at least 0. 0 is the squared error.
        momentum: Momentum of the teacher at the start, in [0, 1].
        last: Momentum after `rise` of the run, from `momentum` to 1.
        rise: Share of the run in which the momentum rises, in [0, 1].
        shared: Only the blocks are the teacher's own: what is before them is the student's.
        head: Linear layers of the head that predicts, at least 1, with GELUs between them.
        guard: Steps after which collapsed targets or predictions end the run.

    Raises:
        UserError: An argument is out of range, or nothing can be hidden from the encoder.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 32, "lr": 2e-3, "betas": (0.9, 0.98), "weight_decay": 0.05, "clip": 1.0, "warmup": 0.1,
        "minutes": 1.5,
    }  # fmt: skip
    sees = ("image", "signal", "audio", "text")
    network = ("vit", "transformer", "wave_transformer")

    teacher: Any

    def __init__(
        self,
        encoder: Encoder,
        share: float = 0.6,
        span: int = 3,
        layers: int = 3,
        output: Output = "block",
        normalise: Normalise = "instance",
        beta: float = 2.0,
        momentum: float = 0.99,
        last: float = 0.999,
        rise: float = 0.3,
        shared: bool = True,
        head: int = 2,
        guard: int = 500,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, Hides):
            raise UserError(
                f"data2vec needs an encoder of blocks from which positions can be hidden ({', '.join(self.network)}), "
                f"not {encoder.spec['name']}"
            )
        if not 1 <= layers <= len(encoder.blocks) or head < 1 or guard < 0 or beta < 0:
            raise UserError(
                f"data2vec needs layers from 1 to {len(encoder.blocks)}, the encoder's blocks, head of at least 1, and "
                f"guard and beta of at least 0, not {layers}, {head}, {guard} and {beta}"
            )
        if not 0 <= momentum <= last <= 1 or not 0 <= rise <= 1:
            raise UserError(
                f"momentum, last and rise of data2vec must be in [0, 1], momentum at most last, not {momentum}, {last} "
                f"and {rise}"
            )
        if output not in get_args(Output) or normalise not in get_args(Normalise):
            raise UserError(
                f"output of data2vec must be block or mlp and normalise instance or layer, not '{output}' and "
                f"'{normalise}'"
            )
        self.encoder: Any = encoder
        self.teacher = momentum_copy(encoder)
        self.token = nn.Parameter(torch.empty(encoder.dim).normal_(std=0.02))
        hidden = [layer for _ in range(head - 1) for layer in (nn.Linear(encoder.dim, encoder.dim), nn.GELU())]
        self.head = nn.Sequential(*hidden, nn.Linear(encoder.dim, encoder.dim))
        self.views = Hidden(views.crop(encoder), encoder.grid, share, span)
        self.averaged, self.output, self.normalise, self.beta = layers, output, normalise, beta
        self.momentum, self.last, self.rise, self.shared, self.guard = momentum, last, rise, shared, guard

    def train(self, mode: bool = True) -> Self:
        """Train the student; the teacher drops no unit."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, sample: Tensor, hide: Tensor, mask: Tensor | None = None, **_: Any) -> Outputs:
        """Return the loss at the hidden positions, and how much their targets and predictions differ."""
        y = self.taught(sample, hide, mask)  # [B, P, D]
        h, there = self.encoder.masked(sample, hide, self.token, mask)
        where = hide & there  # [B, P]
        predicted, true = self.head(h[where]).float(), y[where]  # [M, D] each
        count = average(torch.tensor(float(len(true)), device=y.device)).clamp(min=1)  # ranks have other numbers
        loss = regression(predicted, true, self.beta).sum() / math.sqrt(y.shape[2]) / count
        with torch.no_grad():
            some, first = where.any(1), where.int().argmax(1)  # of each sample
            place = (where.flatten().cumsum(0) - 1).view(where.shape)[some, first[some]]  # in the M
            error = (predicted - true).square().mean(1).sum() / count
            seen = {"target_deviation": deviation(true), "deviation": deviation(predicted)}
        guess = seen["target_deviation"].square()
        return {"loss": loss, **matching(predicted[place], true[place]), "error": error, "guess": guess, **seen}

    @torch.no_grad()
    def taught(self, sample: Tensor, hide: Tensor, mask: Tensor | None) -> Tensor:
        """Return the targets of all positions, float32 [B, P, D]: the teacher sees the sample without a mask."""
        blocks = list(self.teacher.blocks)[-self.averaged :]
        with outputs_of([block if self.output == "block" else block.mlp for block in blocks]) as found:
            _, there = self.teacher.masked(sample, torch.zeros_like(hide), self.token, mask)
        layers = [x[:, -hide.shape[1] :].float() for x in found]  # without what comes before the positions
        return torch.stack([normalised(x, there, self.normalise) for x in layers]).mean(0)

    def pace(self, progress: float) -> float:
        """Return the teacher's momentum."""
        risen = min(progress / self.rise, 1.0) if self.rise else 1.0
        return self.momentum + risen * (self.last - self.momentum)

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Update the teacher. Raises UserError when targets or predictions have collapsed."""
        kept = self.pace(clock.progress)
        slow = {id(p) for p in (self.teacher.blocks if self.shared else self.teacher).parameters()}
        for old, new in zip(self.teacher.parameters(), self.encoder.parameters(), strict=True):
            old.lerp_(new, 1 - kept if id(old) in slow else 1.0)
        target, predicted = float(outputs["target_deviation"]), float(outputs["deviation"])
        if clock.step >= self.guard and (target < LEAST or predicted < LEAST_PREDICTED):
            raise UserError(
                f"data2vec has collapsed at step {clock.step}: its targets deviate by {target:.3f} and its predictions "
                f"by {predicted:.3f}, less than {LEAST} and {LEAST_PREDICTED}: lower --lr, raise --momentum, use "
                "--normalise instance, or let --guard begin later"
            )

    def show(self, sample: Tensor, hide: Tensor, mask: Tensor | None = None, **_: Any) -> list[Shown]:
        """Show samples, what the student sees of them, and how well the hidden features are predicted."""
        h, there = self.encoder.masked(sample, hide, self.token, mask)
        error = (self.head(h).float() - self.taught(sample, hide, mask)).square().mean(2)  # [B, P]
        where = hide & there
        told = [[f"{e[w].mean():.3f}" if w.any() else "-"] for e, w in zip(error, where, strict=True)]
        seen = self.encoder.spec["input"]
        if isinstance(self.encoder, ReadsOn):
            words, how = self.encoder.words, seen["tokens"]
            texts = [
                spelt(words, [len(words) + MASK if w else i for i, w, t in zip(*rows, strict=True) if t], how)
                for rows in zip(sample.tolist(), where.tolist(), there.tolist(), strict=True)
            ]
            return [Table("hidden tokens", ["text", "error"], [[a, *b] for a, b in zip(texts, told, strict=True)])]
        hidden = F.interpolate(hide.float().view(len(hide), 1, *self.encoder.grid), size=sample.shape[2:])
        rows = {"whole, as the teacher sees it": sample, "as the student sees it": sample * (1 - hidden)}
        return [row for name, x in rows.items() if (row := views.show(name, x, seen)) is not None]


def regression(predicted: Tensor, true: Tensor, beta: float) -> Tensor:
    """Return the loss of each coordinate: squares up to `beta`, then the absolute value; only squares where it is 0."""
    if beta == 0:
        return F.mse_loss(predicted, true, reduction="none")
    return F.smooth_l1_loss(predicted, true, reduction="none", beta=beta)


def normalised(x: Tensor, there: Tensor, how: Normalise) -> Tensor:
    """Return x [B, P, D] with mean 0 and variance 1 over its features, or over those positions that are `there`."""
    if how == "layer":
        return F.layer_norm(x, x.shape[2:])
    weight = there[:, :, None].to(x)
    count = weight.sum(1, keepdim=True)
    x = x - (x * weight).sum(1, keepdim=True) / count
    return x / ((x.square() * weight).sum(1, keepdim=True) / count + 1e-5).sqrt()


def deviation(x: Tensor) -> Tensor:
    """Return the standard deviation over the rows of all ranks' x [M, D], averaged over the features."""
    count = average(torch.tensor(float(len(x)), device=x.device))
    mean = average(x.sum(0)) / count.clamp(min=1)
    squares = average((x - mean).square().sum(0)) * world()
    return (squares / (count * world() - 1).clamp(min=1) + 1e-6).sqrt().mean()


@contextmanager
def outputs_of(modules: list[nn.Module]) -> Iterator[list[Tensor]]:
    """Give a list that receives what the modules return, in the order of their calls, inside the block."""
    found: list[Tensor] = []
    hooks = [module.register_forward_hook(lambda _, __, out: found.append(out)) for module in modules]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
