"""The method behind answering questions by a span of a passage."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.data.text.labelled.example import Question
from selftaught.evaluate.texts.body import Reading, apart
from selftaught.evaluate.texts.parts import remembered
from selftaught.evaluate.texts.rows import LEFT_OUT, Body, Row, Rows, RowViews
from selftaught.evaluate.texts.training import Training
from selftaught.method import Clock, Method, Outputs, Player, Source
from selftaught.parts.tokens import located


@final
class Window(NamedTuple):
    """A part of a passage: the characters of each of its tokens, and the symbols of the answer if it is in it."""

    places: list[tuple[int, int]]
    answer: tuple[int, int] | None


@final
class Windows:
    """Questions as rows: the question, then a part of the passage. Parts overlap, so that every answer is whole in one.

    Args:
        rows: Makes rows of symbols.
        longest: Symbols of a question, at most; `cut` counts those that are longer.
        stride: Symbols from one part to the next.

    Attributes:
        cut: Questions that lost symbols at their end.
        split: Questions whose passage is read in several parts.
    """

    def __init__(self, rows: Rows, longest: int, stride: int) -> None:
        self.rows, self.stride = rows, stride
        self.longest = min(longest, max((rows.limit - 3) // 2, 1))
        self.cut = self.split = 0
        self._parts, self._made = remembered(self._divided), remembered(self._rows)

    def __call__(self, example: Question) -> list[Row]:
        """Return the rows of a question."""
        return self._made(example)

    def _rows(self, example: Question) -> list[Row]:
        question = self.rows.numbers(example.question)
        self.cut += len(question) > self.longest
        question = question[: self.longest]
        tokens, parts = self._parts(example)
        self.split += len(parts) > 1
        numbers = self.rows.numbered([token for token, _, _ in tokens])
        return [self.rows.row(question, numbers[begin:end]) for begin, end in parts]

    def windows(self, example: Question) -> list[Window]:
        """Return what each row holds of the passage."""
        tokens, parts = self._parts(example)
        answer = self.answer(example, tokens)
        found = []
        for begin, end in parts:
            inside = answer is not None and begin <= answer[0] and answer[1] < end
            own = (answer[0] - begin, answer[1] - begin) if answer is not None and inside else None
            found.append(Window([(first, last) for _, first, last in tokens[begin:end]], own))
        return found

    def answer(self, example: Question, tokens: list[tuple[str, int, int]]) -> tuple[int, int] | None:
        """Return the first and the last token of the first answer that stands in the passage, or None."""
        for text, at in example.answers or ():
            inside = [i for i, (_, begin, end) in enumerate(tokens) if at >= 0 and begin < at + len(text) and end > at]
            if inside:
                return inside[0], inside[-1]
        return None

    def _divided(self, example: Question) -> tuple[list[tuple[str, int, int]], list[tuple[int, int]]]:
        """Return the tokens of the passage, and where each part begins and ends among them."""
        tokens = located(self.rows.input, example.passage)
        asked = min(len(self.rows.numbers(example.question)), self.longest)
        room = max(self.rows.limit - 3 - asked, 1)
        step = max(1, min(self.stride, room))
        parts, begin = [(0, min(room, len(tokens)))], 0
        while parts[-1][1] < len(tokens):
            begin += step
            parts.append((begin, min(begin + room, len(tokens))))
        return tokens, parts


@final
class Spans(Method):
    """Two linear scores of each symbol: how well an answer begins and ends there.

    Devlin et al. 2019 (BERT): with S and E new, the answer i..j has the score S h_i + E h_j, and the first symbol's
    that there is none. L is the mean of - log softmax(S h)[i] and - log softmax(E h)[j] over the symbols of the passage
    and the first one, where i and j are the first one in parts of the passage without the answer.

    Departures: a causal encoder reads a beginning without what follows it, and its last symbol is the place of no
    answer, because the first has seen nothing.

    Args:
        encoder: The encoder.
        how: Options of the training.
        frozen: Whether the encoder stays as it is.
        windows: Makes rows of questions.
        unanswerable: Whether some questions have no answer.
    """

    def __init__(self, encoder: Body, how: Training, frozen: bool, windows: Windows, unanswerable: bool) -> None:
        super().__init__()
        body = Reading(encoder, how, frozen)
        self.encoder, self.how, self.body = body.encoder, how, body
        self.register_buffer("unanswerable", torch.tensor(unanswerable))
        self.normal = nn.LayerNorm(self.body.dim, elementwise_affine=False) if frozen else nn.Identity()
        self.head = nn.Linear(self.body.dim, 2)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.views = RowViews(windows.rows, windows, lambda raw, rows, length: _targets(raw, rows, windows))

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes are known."""

    def players(self) -> list[Player]:
        """Return one player, see `Reading.player`."""
        return [self.body.player(self)]

    def scores(
        self, ids: Tensor, there: Tensor, segment: Tensor, texts: Tensor, clock: Clock | None = None,
        codes: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return the scores of a beginning and of an end, [N, 2, 1 + T], and the vectors of all symbols.

        The first score is that of no answer; those of symbols outside the passage are -inf.
        """
        h = self.body(ids, there, segment, clock, codes)
        y = self.head(self.normal(h)).transpose(1, 2)  # [N, 2, T]
        place = torch.arange(ids.shape[1], device=ids.device)
        inside = (place >= texts[:, 1, :1]) & (place < texts[:, 1, 1:])
        last = there.sum(1) - 1 if self.body.causal else torch.zeros_like(texts[:, 0, 0])
        none = y.gather(2, last[:, None, None].expand(-1, 2, 1))
        return torch.cat([none, y.masked_fill(~inside[:, None], -torch.inf)], 2), h

    def forward(self, ids: Tensor, there: Tensor, target: Tensor, clock: Clock, **batch: Any) -> Outputs:
        """Return the mean loss of beginnings and ends, and how often both are right."""
        seen = {k: batch[k] for k in ("segment", "texts", "codes") if k in batch}
        passes = [self.scores(ids, there, **seen, clock=clock) for _ in range(2 if self.how.r_drop else 1)]
        known = target[:, 0] != LEFT_OUT
        asked = [scores[known] for scores, _ in passes]
        wanted = target[known]
        count = max(int(known.sum()), 1)
        loss = torch.stack(
            [F.cross_entropy(one.flatten(0, 1), wanted.flatten(), reduction="sum") / (2 * count) for one in asked]
        ).mean()
        right = (asked[0].argmax(2) == wanted).all(1).float().sum() / count
        outputs: Outputs = {"task": loss.detach(), "accuracy": right}
        if self.body.causal and self.how.lm and not self.body.still:
            lm = torch.stack([self.body.language(h, ids, there) for _, h in passes]).mean()
            loss, outputs["lm"] = loss + self.how.lm * lm, lm.detach()
        if self.how.r_drop:
            a, b = (one.flatten(0, 1).clamp(min=-1e4) for one in asked)
            far = apart(a, b)
            loss, outputs["apart"] = loss + self.how.r_drop * far, far.detach()
        return {"loss": loss, **outputs}

    def say(self, ids: Tensor, there: Tensor, **batch: Any) -> Tensor:
        """Return the scores of a beginning and of an end, see `scores`."""
        seen = {k: batch[k] for k in ("segment", "texts", "codes") if k in batch}
        return self.scores(ids, there, **seen)[0].float()


def _targets(raw: Any, rows: list[list[Row]], windows: Windows) -> Tensor:
    """Return the places of the first and the last symbol of the answer in the scores, int64 [N, 2].

    0 where a part does not have the answer; `LEFT_OUT` where the answer is unknown or stands nowhere.
    """
    found = []
    for example, own in zip(raw["example"], rows, strict=True):
        parts = windows.windows(example)
        unknown = example.answers is None or (example.answers and all(one.answer is None for one in parts))
        for row, window in zip(own, parts, strict=True):
            begin = row.texts[1][0] + 1
            if unknown:
                found.append((LEFT_OUT, LEFT_OUT))
            elif window.answer is None:
                found.append((0, 0))
            else:
                found.append((begin + window.answer[0], begin + window.answer[1]))
    return torch.tensor(found)


def best(scores: Tensor, first: int, places: list[tuple[int, int]], longest: int) -> tuple[float, int, int]:
    """Return the score of the best answer in one row, and its first and last token; -inf for none.

    Args:
        scores: [2, 1 + T] of `Spans.scores`.
        first: The symbol that the passage begins with.
        places: The tokens of the passage in this row.
        longest: Tokens of an answer, at most.
    """
    count = len(places)
    if not count:
        return float("-inf"), 0, 0
    begin, end = scores[:, 1 + first : 1 + first + count]
    pairs = begin[:, None] + end[None]
    allowed = torch.ones(count, count, dtype=torch.bool).triu().tril(longest - 1).to(pairs.device)
    pairs = pairs.masked_fill(~allowed, -torch.inf)
    where = int(pairs.argmax())
    return float(pairs.flatten()[where]), where // count, where % count
