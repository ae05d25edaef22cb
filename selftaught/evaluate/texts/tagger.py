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
    direction below it. Causal encoders read a word without what follows it, and add `lm` times the loss of a language
    model; see `Sequences` for `r_drop`.

    Departures: no CRF above ELMo's LSTM.

    Args:
        encoder: The encoder.
        how: Options of the training.
        frozen: Whether the encoder stays as it is.
        tags: The tags, O among them, each with its number.
        pieces: Makes rows of sentences.
    """

    def __init__(self, encoder: Body, how: Training, frozen: bool, tags: Mapping[str, int], pieces: Pieces) -> None:
        super().__init__()
        self.encoder, self.how = encoder, how
        self.body = Reading(encoder, how, frozen)
        self.normal = nn.LayerNorm(self.body.dim, elementwise_affine=False) if frozen else nn.Identity()
        self.head = nn.Linear(self.body.dim, len(tags))
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        encode: Callable[[Any], list[Row]] = pieces
        self.views = RowViews(pieces.rows, encode, lambda raw, rows, length: _targets(raw, length, tags, pieces))

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes are known."""

    def players(self) -> list[Player]:
        """Return one player, see `Reading.player`."""
        return [self.body.player(self)]

    def forward(
        self, ids: Tensor, there: Tensor, segment: Tensor, target: Tensor, clock: Clock, codes: Tensor | None = None,
        **_: Any,
    ) -> Outputs:  # fmt: skip
        """Return the loss over words, and how many are tagged right."""
        passes = [self.body(ids, there, segment, clock, codes) for _ in range(2 if self.how.r_drop else 1)]
        asked = target != LEFT_OUT
        scores = [self.head(self.normal(h[asked])) for h in passes]
        loss = torch.stack([F.cross_entropy(one, target[asked]) for one in scores]).mean()
        outputs: Outputs = {"task": loss.detach(), "accuracy": (scores[0].argmax(1) == target[asked]).float().mean()}
        if self.body.causal and self.how.lm and not self.body.still:
            lm = torch.stack([self.body.language(h, ids, there) for h in passes]).mean()
            loss, outputs["lm"] = loss + self.how.lm * lm, lm.detach()
        if self.how.r_drop:
            far = apart(*scores)
            loss, outputs["apart"] = loss + self.how.r_drop * far, far.detach()
        return {"loss": loss, **outputs}

    def say(self, ids: Tensor, there: Tensor, segment: Tensor, codes: Tensor | None = None, **_: Any) -> Tensor:
        """Return the probabilities of the tags of each symbol, [N, T, K]."""
        found: Tensor = self.head(self.normal(self.body(ids, there, segment, None, codes))).float().softmax(2)
        return found


def _targets(raw: Any, length: int, tags: Mapping[str, int], pieces: Pieces) -> Tensor:
    """Return the tag of the first symbol of each word, int64 [N, T], `LEFT_OUT` elsewhere."""
    rows = []
    for example in raw["example"]:
        left = iter(example.tags)
        for places in pieces.places(example):
            row = torch.full((length,), LEFT_OUT)
            for place in places:
                row[place] = tags.get(next(left, ""), LEFT_OUT)
            rows.append(row)
    return torch.stack(rows)
