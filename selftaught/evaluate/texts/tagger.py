"""The method behind tasks that tag words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.data.text.labelled.example import Tagged
from selftaught.evaluate.texts.body import Reading, apart
from selftaught.evaluate.texts.parts import remembered
from selftaught.evaluate.texts.rows import LEFT_OUT, Body, Row, Rows, RowViews
from selftaught.evaluate.texts.training import Training
from selftaught.method import Clock, Method, Outputs, Player, Source
from selftaught.parts.crf import LinearChain

UNKNOWN = LEFT_OUT - 1
"""The target of words without a tag that is known, which are only asked about."""


@final
class Pieces:
    """Tagged sentences as rows: a sentence that is too long is read in several, so that no word is left out.

    Args:
        rows: Makes rows of symbols.

    Attributes:
        long: How many sentences were read in several rows.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows, self.long = rows, 0
        self.room = rows.limit - 2
        self._cut = remembered(self._divided)

    def __call__(self, example: Tagged) -> list[Row]:
        """Return the rows of a sentence."""
        made = [self.rows.row(numbers) for numbers, _ in self._cut(example)]
        self.long += len(made) > 1
        return made

    def places(self, example: Tagged) -> list[list[int]]:
        """Return, for each row, where in it the first symbol of each of its words is."""
        return [[1 + place for place in places] for _, places in self._cut(example)]

    def _divided(self, example: Tagged) -> list[tuple[list[int], list[int]]]:
        found: list[tuple[list[int], list[int]]] = [([], [])]
        for word in example.words:
            numbers = (self.rows.numbers(word) or [self.rows.words])[: self.room]
            if len(found[-1][0]) + len(numbers) > self.room:
                found.append(([], []))
            found[-1][1].append(len(found[-1][0]))
            found[-1][0].extend(numbers)
        return found


@final
class Tagger(Method):
    """A linear layer on the vector of the first symbol of each word: -log softmax(W h)[tag], the mean over words.

    Devlin et al. 2019 (BERT) for networks that are trained as a whole; Peters et al. 2018 (ELMo) has an LSTM in each
    direction below it and a linear chain above, whose loss is -log P of a sentence's tags over its words. Causal
    encoders read a word without what follows it, and add `lm` times the loss of a language model; see `Sequences` for
    `r_drop`, which compares the probabilities of each word's tags.

    Departures: a sentence that is read in several pieces has a chain for each of them.

    Args:
        encoder: The encoder.
        how: Options of the training.
        frozen: Whether the encoder stays as it is.
        tags: The tags, O among them, each with its number.
        pieces: Makes rows of sentences.
        chain: Whether the tags of a sentence are a linear chain.
    """

    def __init__(
        self, encoder: Body, how: Training, frozen: bool, tags: Mapping[str, int], pieces: Pieces, chain: bool = False
    ) -> None:
        super().__init__()
        body = Reading(encoder, how, frozen)
        self.encoder, self.how, self.body = body.encoder, how, body
        self.normal = nn.LayerNorm(self.body.dim, elementwise_affine=False) if frozen else nn.Identity()
        self.head = nn.Linear(self.body.dim, len(tags))
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.chain = LinearChain(len(tags)) if chain else None
        encode: Callable[[Any], list[Row]] = pieces
        self.views = RowViews(pieces.rows, encode, lambda raw, rows, length: _targets(raw, length, tags, pieces))

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes are known."""

    def players(self) -> list[Player]:
        """Return one player, see `Reading.player`."""
        return [self.body.player(self)]

    def scores(self, h: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores of the words of each row, [N, W, K], and which of them are there, bool [N, W]."""
        words = target != LEFT_OUT
        order = (~words).to(torch.uint8).argsort(dim=1, stable=True)[:, : max(int(words.sum(1).max()), 1)]
        found = self.head(self.normal(h.gather(1, order[..., None].expand(-1, -1, h.shape[2]))))
        return found, words.gather(1, order)

    def log_p(self, scores: Tensor, there: Tensor) -> Tensor:
        """Return log P of the tags of each word, [N, W, K]."""
        return scores.log_softmax(2) if self.chain is None else self.chain.log_marginals(scores, there)

    def forward(
        self, ids: Tensor, there: Tensor, segment: Tensor, target: Tensor, clock: Clock, codes: Tensor | None = None,
        **_: Any,
    ) -> Outputs:  # fmt: skip
        """Return the loss over words, and how many are tagged right."""
        passes = [self.body(ids, there, segment, clock, codes) for _ in range(2 if self.how.r_drop else 1)]
        tags = nn.utils.rnn.pad_sequence([row[row != LEFT_OUT] for row in target], batch_first=True)
        each = [self.scores(h, target) for h in passes]
        words = each[0][1]
        if self.chain is None:
            losses = [F.cross_entropy(scores[words], tags[words]) for scores, _ in each]
        else:
            losses = [-self.chain(scores, words, tags).sum() / words.sum() for scores, _ in each]
        loss = torch.stack(losses).mean()
        right = (self._best(each[0][0].detach(), words) == tags)[words].float().mean()
        outputs: Outputs = {"task": loss.detach(), "accuracy": right}
        if self.body.causal and self.how.lm and not self.body.still:
            lm = torch.stack([self.body.language(h, ids, there) for h in passes]).mean()
            loss, outputs["lm"] = loss + self.how.lm * lm, lm.detach()
        if self.how.r_drop:
            far = apart(*(self.log_p(scores, words)[words] for scores, _ in each))
            loss, outputs["apart"] = loss + self.how.r_drop * far, far.detach()
        return {"loss": loss, **outputs}

    def say(
        self, ids: Tensor, there: Tensor, segment: Tensor, target: Tensor, codes: Tensor | None = None, **_: Any
    ) -> Tensor:
        """Return the number of the tag of each word and its probability, [N, W, 2]; any in padding."""
        scores, words = self.scores(self.body(ids, there, segment, None, codes), target)
        best = self._best(scores.float(), words)
        sure = self.log_p(scores.float(), words).exp().gather(2, best[..., None])[..., 0]
        return torch.stack([best.to(sure), sure], 2)

    def _best(self, scores: Tensor, there: Tensor) -> Tensor:
        return scores.argmax(2) if self.chain is None else self.chain.best(scores, there)


def _targets(raw: Any, length: int, tags: Mapping[str, int], pieces: Pieces) -> Tensor:
    """Return the tag of each word at its first symbol, int64 [N, T]; `UNKNOWN` is none, `LEFT_OUT` is no word."""
    rows = []
    for example in raw["example"]:
        left = iter(example.tags)
        for places in pieces.places(example):
            row = torch.full((length,), LEFT_OUT)
            for place in places:
                row[place] = tags.get(next(left, ""), UNKNOWN)
            rows.append(row)
    return torch.stack(rows)
