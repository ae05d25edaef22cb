"""The method behind tasks that say something of whole texts: classes, numbers and choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.evaluate.texts.body import Reading, apart, averages
from selftaught.evaluate.texts.rows import Body, Row, Rows, RowViews
from selftaught.evaluate.texts.training import Training
from selftaught.method import Clock, Method, Outputs, Player, Source

Form = Literal["classes", "number", "choices"]


@final
class Sequences(Method):
    """A linear layer on one vector for each row.

    Radford et al. 2018 (GPT) and Devlin et al. 2019 (BERT): all weights learn, and the head sees one vector. With h
    that of the extract (GPT), or tanh(A h_start) (BERT), and W new::

        classes     - log softmax(W h)[y]          h is the sum over both orders of two texts, if their order is nothing
        number      (w h - (y - m) / s)^2          m and s are the mean and the deviation of the training numbers
        choices     - log softmax_k(w h_k)[y]      one row for each choice

    Causal encoders add `lm` times the loss of a language model on the same rows. With `r_drop` a, everything is read
    twice with other units dropped, and a (KL(p | q) + KL(q | p)) / 2 of the two is added to the mean of both losses.

    Frozen encoders, and ELMo, give no vector that stands for a row. There h is the mean u of the vectors of the text,
    and for two texts (u, v, |u - v|, u v) of theirs (Conneau et al. 2017, arXiv 1705.02364). Each number of a frozen
    encoder's h is brought to mean 0 and variance 1 over the training rows, as in a linear probe.

    Departures: BERT's pooler A is new, and not that of the next-sentence task; ELMo's authors have a larger network on
    top for each task.

    Args:
        encoder: The encoder.
        how: Options of the training.
        frozen: Whether the encoder stays as it is.
        form: What is said.
        outputs: Number of classes, or 1.
        texts: Texts of a row, 1 or 2.
        scale: (m, s).
        rows: Makes rows of symbols.
        encode: The rows of an example.
    """

    scale: Tensor

    def __init__(
        self,
        encoder: Body,
        how: Training,
        frozen: bool,
        form: Form,
        outputs: int,
        texts: int,
        scale: tuple[float, float],
        rows: Rows,
        encode: Callable[[Any], list[Row]],
    ) -> None:
        super().__init__()
        body = Reading(encoder, how, frozen)
        self.encoder, self.how, self.form, self.body = body.encoder, how, form, body
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.pooler = nn.Linear(self.body.dim, self.body.dim) if self.body.marked and not self.body.causal else None
        parts = 1 if self.body.marked or texts == 1 else 4
        width = parts * self.body.dim
        # features of a frozen encoder are alike in all that texts have in common: only what differs is learned from
        self.normal = nn.BatchNorm1d(width, affine=False, momentum=None) if frozen else nn.Identity()
        self.head = nn.Linear(width, outputs)
        for layer in (self.head, *([self.pooler] if self.pooler is not None else [])):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        self.texts = texts
        self.views = RowViews(rows, encode, lambda raw, rows, length: _targets(raw, form))

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes are known."""

    def players(self) -> list[Player]:
        """Return one player, see `Reading.player`."""
        return [self.body.player(self)]

    def vectors(
        self, ids: Tensor, there: Tensor, segment: Tensor, texts: Tensor, clock: Clock | None = None,
        codes: Tensor | None = None, **_: Any,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return h of each row, [N, D], and the vectors of all symbols, [N, T, D]."""
        h = self.body(ids, there, segment, clock, codes)
        if self.body.marked:
            last = there.sum(1) - 1
            x = h[torch.arange(len(h), device=h.device), last] if self.body.causal else h[:, 0]
            x = self.body.dropout(torch.tanh(self.pooler(x))) if self.pooler is not None else x
        else:
            u, v = averages(h, texts)
            x = u if self.texts == 1 else torch.cat([u, v, (u - v).abs(), u * v], 1)
        return self.normal(x), h

    def features(self, counts: Tensor, **batch: Any) -> Tensor:
        """Return what the head sees of each sample, [B, D]: the sum over its rows."""
        return torch.stack([some.sum(0) for some in self.vectors(**batch)[0].split(counts.tolist())])

    def scores(self, counts: Tensor, **batch: Any) -> tuple[Tensor, Tensor]:
        """Return the scores [B, K] and the vectors of all symbols [N, T, D]."""
        x, h = self.vectors(**batch)
        sizes = counts.tolist()
        if self.form == "choices":
            each = self.head(x)[:, 0].split(sizes)
            return nn.utils.rnn.pad_sequence(list(each), batch_first=True, padding_value=-torch.inf), h
        return self.head(torch.stack([some.sum(0) for some in x.split(sizes)])), h

    def forward(self, target: Tensor, clock: Clock, **batch: Any) -> Outputs:
        """Return the loss of the task, and its parts."""
        seen = {k: batch[k] for k in ("ids", "there", "segment", "texts", "counts", "codes") if k in batch}
        passes = [self.scores(**seen, clock=clock) for _ in range(2 if self.how.r_drop else 1)]
        loss = torch.stack([self._loss(scores, target) for scores, _ in passes]).mean()
        outputs: Outputs = {"task": loss.detach()}
        if self.form != "number":
            outputs["accuracy"] = (passes[0][0].argmax(1) == target).float().mean()
        lm = torch.stack([self.body.language(h, seen["ids"], seen["there"]) for _, h in passes]).mean()
        if self.body.causal and self.how.lm and not self.body.still:
            loss, outputs["lm"] = loss + self.how.lm * lm, lm.detach()
        if self.how.r_drop:
            a, b = passes[0][0], passes[1][0]
            far = (a - b).square().mean() if self.form == "number" else apart(a, b)
            loss, outputs["apart"] = loss + self.how.r_drop * far, far.detach()
        return {"loss": loss, **outputs}

    def _loss(self, scores: Tensor, target: Tensor) -> Tensor:
        if self.form == "number":
            return F.mse_loss(scores[:, 0], (target - self.scale[0]) / self.scale[1])
        return F.cross_entropy(scores, target)

    def say(self, **batch: Any) -> Tensor:
        """Return the probabilities of classes or choices, [B, K], or the numbers, [B, 1]."""
        seen = {k: batch[k] for k in ("ids", "there", "segment", "texts", "counts", "codes") if k in batch}
        scores = self.scores(**seen)[0].float()
        if self.form == "number":
            return scores * self.scale[1] + self.scale[0]
        return scores.softmax(1)


def _targets(raw: Any, form: Form) -> Tensor:
    if form == "classes":
        return torch.from_numpy(raw["label"])
    if form == "choices":
        return torch.tensor([-1 if one.right is None else one.right for one in raw["example"]])
    return torch.tensor([0.0 if one.answer is None else float(one.answer) for one in raw["example"]])
