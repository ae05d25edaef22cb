"""The method behind tasks that write a text for a text: translations, replies, what follows from an event."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from selftaught.data.text.labelled.example import Paired
from selftaught.errors import UserError
from selftaught.evaluate.texts.body import Reading, apart
from selftaught.evaluate.texts.rows import LEFT_OUT, Body, Row, Rows, RowViews
from selftaught.evaluate.texts.training import Training
from selftaught.method import Clock, Method, Outputs, Player, Source
from selftaught.parts.beam import Found, beam, sampled
from selftaught.parts.large_softmax import CELLS, cross_entropy
from selftaught.parts.sampling import draw
from selftaught.parts.symbols import END, OTHER, START
from selftaught.parts.tokens import tokenise_as
from selftaught.parts.writer import Writer

TOGETHER = 32
"""Sources that are searched at a time."""
LONGEST = 64
"""Symbols of a target, if no other number is asked for; at most half of the context."""


@final
class Lines:
    """Pairs as rows: start, source, delimiter, target, end; one row for each target.

    Args:
        rows: Numbers texts.
        longest: Symbols of a target with its end, at most; None = `LONGEST`, or half of the context if that is less.
        ends: Whether of a source that is too long the end is read, and not the beginning.

    Attributes:
        cut_sources: How many sources lost symbols.
        cut_targets: How many targets lost symbols, and their end.
        unknown: Symbols of targets that the encoder does not know, and
        symbols: all of them.
    """

    def __init__(self, rows: Rows, longest: int | None, ends: bool) -> None:
        self.rows, self.ends = rows, ends
        self.longest = min(LONGEST, rows.limit // 2) if longest is None else longest
        self.room = rows.limit - 2 - self.longest  # beside the start and the delimiter
        if self.longest < 1 or self.room < 1:
            raise UserError(
                f"longest must be at least 1 and leave room for a source in the {rows.limit} symbols that the encoder "
                f"reads, at most {rows.limit - 3}, not {self.longest}"
            )
        self.end = rows.words + END
        self.cut_sources = self.cut_targets = self.unknown = self.symbols = 0

    def source(self, text: str) -> list[int]:
        """Return what a target is written after: the start, the source and the delimiter. Lines of it have an end."""
        numbers = list[int]()
        for line in text.split("\n") if self.rows.input["tokens"] != "exact" else [text]:
            numbers += [self.end] * bool(numbers) + self.rows.numbers(line)
        self.cut_sources += len(numbers) > self.room
        kept = numbers[-self.room :] if self.ends else numbers[: self.room]
        return [self.rows.words + START, *kept, self.rows.size]

    def target(self, text: str) -> list[int]:
        """Return the symbols of a target, with its end unless it is too long."""
        numbers = [*self.rows.numbers(text), self.end]
        self.cut_targets += len(numbers) > self.longest
        self.unknown += numbers.count(self.rows.words + OTHER)
        self.symbols += len(numbers)
        return numbers[: self.longest]

    def __call__(self, example: Paired) -> list[Row]:
        """Return the rows of a pair."""
        before = self.source(example.source)
        made = []
        for text in example.targets:
            ids = (*before, *self.target(text))
            made.append(Row(ids, ((1, len(before) - 1), (len(before), len(ids))), len(ids)))
        return made


@final
@dataclass(frozen=True)
class Search:
    """How a text is written: by beam search, or as the best of several drawn ones.

    Args:
        beam: Width of the search.
        penalty: See `parts.beam`.
        samples: Draw so many; 0 searches.
        temperature: See `parts.sampling`.
        top_k: The same.
        top_p: The same.
    """

    beam: int = 4
    penalty: float = 1.0
    samples: int = 0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0


@final
class Writing(Method):
    """A causal language model that goes on from a text with the one that belongs to it.

    Radford et al. 2019 and Bosselut et al. 2019 (COMET, arXiv 1906.05317): a source s and a target t become one text,
    and the loss is that of the target alone, given all before it. With d new, and h_i the last vector of symbol i::

        start s d t end        L = - mean_i log softmax(E h_i)[u_{i+1}]  over those i whose u_{i+1} is in "t end"

    E is the table that the encoder reads with. `lm` adds that many times the same loss over the source; `r_drop` a
    reads everything twice with other units dropped, and adds a (KL(p | q) + KL(q | p)) / 2 (Liang et al. 2021).
    Frozen, E alone is learned, from a copy of the table; an end stands for d.

    Args:
        encoder: The encoder.
        how: Options of the training.
        frozen: Whether the encoder stays as it is.
        encode: Makes rows of pairs.
        lines: The same, for sources alone.
    """

    def __init__(self, encoder: Body, how: Training, frozen: bool, encode: Callable[[Paired], list[Row]], lines: Lines):
        super().__init__()
        body = Reading(encoder, how, frozen)
        self.encoder, self.how, self.lines, self.body = body.encoder, how, lines, body
        self.words: Sequence[str] = encoder.words
        self.head = nn.Parameter(encoder.table.detach().clone()) if frozen else None
        self.register_buffer("ends", torch.tensor(lines.ends))
        self.views = RowViews(lines.rows, encode, lambda raw, rows, length: _targets(rows, length))
        self.source_loss = how.lm_given or 0.0

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes are known."""

    def players(self) -> list[Player]:
        """Return one player, see `Reading.player`."""
        return [self.body.player(self)]

    @property
    def table(self) -> Tensor:
        """E, [V + 3, width]."""
        return self.encoder.table if self.head is None else self.head  # type: ignore[return-value]

    def forward(
        self, ids: Tensor, there: Tensor, segment: Tensor, target: Tensor, texts: Tensor, clock: Clock, **_: Any
    ) -> Outputs:
        """Return the loss over the symbols of targets, and how often the most probable one is right."""
        passes = [self.body(ids, there, segment, clock) for _ in range(2 if self.how.r_drop else 1)]
        asked = target != LEFT_OUT
        each = [cross_entropy(h[asked], self.table, target[asked]) for h in passes]
        loss = torch.stack([one for one, _ in each]).mean()
        outputs: Outputs = {"task": loss.detach(), "accuracy": each[0][1]}
        if self.source_loss and not self.body.still:
            place = torch.arange(1, ids.shape[1], device=ids.device)
            inside = (place >= texts[:, 0, :1]) & (place < texts[:, 0, 1:])
            lm = torch.stack(
                [cross_entropy(h[:, :-1][inside], self.table, ids[:, 1:][inside])[0] for h in passes]
            ).mean()
            loss, outputs["lm"] = loss + self.source_loss * lm, lm.detach()
        if self.how.r_drop:
            far = apart(*(h[asked] @ self.table.T for h in passes))
            loss, outputs["apart"] = loss + self.how.r_drop * far, far.detach()
        return {"loss": loss, **outputs}

    def say(self, ids: Tensor, there: Tensor, segment: Tensor, target: Tensor, **_: Any) -> Tensor:
        """Return log P of each target given its source, and the number of its symbols, [N, 2]."""
        asked = target != LEFT_OUT
        h, wanted = self.body(ids, there, segment, None)[asked], target[asked]
        size = max(1, CELLS // len(self.table))
        log_p = torch.cat(
            [
                (h[i : i + size] @ self.table.T).float().log_softmax(1).gather(1, wanted[i : i + size, None])[:, 0]
                for i in range(0, len(h), size)
            ]
        )
        whole = torch.zeros(target.shape, device=log_p.device).masked_scatter(asked, log_p)
        return torch.stack([whole.sum(1), asked.sum(1).float()], 1)

    # --- what is written ----------------------------------------------------------------------------------------------

    def write(self, sources: Sequence[str], search: Search, seed: int = 0) -> Iterator[list[Found]]:
        """Yield for each source the texts that were found, the best first. See `text` for their spelling."""
        prompts = [self.lines.source(text) for text in sources]
        found: dict[int, list[Found]] = {}
        by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for some in ([i] for i in by_length) if search.samples else _alike(by_length, prompts):
            rows = [prompts[i] for i in some]
            first, after = self._from(torch.tensor(rows))
            if search.samples:
                generator = torch.Generator().manual_seed(seed + zlib.crc32(np.array(rows[0]).tobytes()))
                drawn = sampled(
                    first[0], after, search.samples, self.lines.longest, self.lines.end, generator, search.penalty,
                    search.temperature, search.top_k, search.top_p,
                )  # fmt: skip
                found[some[0]] = drawn
                continue
            best = beam(first, after, search.beam, self.lines.longest, self.lines.end, search.penalty)
            found |= dict(zip(some, best, strict=True))
        for i in range(len(prompts)):
            yield found[i]

    def text(self, symbols: Sequence[int]) -> str:
        """Return symbols as a text."""
        write = Writer(self.lines.rows.input, "")
        return "".join(write(self.words[symbol]) for symbol in symbols).strip()

    def rewrite(
        self, source: str, length: int, seed: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
    ) -> Iterator[str]:
        """Yield what is drawn for `source`, see `method.Rewrites`. It has at most the symbols that were learned."""
        generator, write = torch.Generator().manual_seed(seed), Writer(self.lines.rows.input, "")
        scores, after = self._from(torch.tensor([self.lines.source(source)]))
        for _ in range(min(length, self.lines.longest)):
            symbol = draw(scores[0].cpu(), generator, temperature, top_k, top_p)
            if symbol == self.lines.end:
                return
            yield write(self.words[symbol])
            scores = after(torch.zeros(1, dtype=torch.int64), torch.tensor([symbol]))

    def unknown(self, text: str) -> list[str]:
        """Return the tokens that are not in the vocabulary."""
        tokens = tokenise_as(self.lines.rows.input, text)
        return [token for token in tokens if token not in self.lines.rows.index]

    def _from(self, ids: Tensor) -> tuple[Tensor, Callable[[Tensor, Tensor], Tensor]]:
        """Return log P of the first symbol after sources of one length, int64 [B, S], and what goes on from there."""
        device, size = self.table.device, len(ids)
        cache = self.body.encoder.empty(size)

        @torch.no_grad()
        def log_p(symbols: Tensor) -> Tensor:
            scores = (self.body.on(symbols.to(device), cache)[:, -1] @ self.table.T).float().log_softmax(1)
            scores[:, [self.lines.rows.words + OTHER, self.lines.rows.words + START]] = -torch.inf  # never written
            return scores

        def after(rows: Tensor, symbols: Tensor) -> Tensor:
            nonlocal size
            if rows.tolist() != list(range(size)):
                cache.select(rows.to(device))
                size = len(rows)
            return log_p(symbols[:, None])

        return log_p(ids), after


def _targets(rows: list[list[Row]], length: int) -> Tensor:
    """Return the symbol after each one, int64 [N, T], `LEFT_OUT` where it is not of a target."""
    found = torch.full((sum(map(len, rows)), length), LEFT_OUT)
    for number, row in enumerate(row for some in rows for row in some):
        begin, end = row.texts[1]
        found[number, begin - 1 : end - 1] = torch.tensor(row.ids[begin:end])
    return found


def _alike(order: Sequence[int], prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield groups of prompts of equal length, at most `TOGETHER`."""
    some = list[int]()
    for i in order:
        if some and (len(prompts[i]) != len(prompts[some[0]]) or len(some) == TOGETHER):
            yield some
            some = []
        some.append(i)
    if some:
        yield some
