"""Search for the most probable texts that a model writes, or draw several of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, final

import torch
from torch import Tensor

from selftaught.parts.sampling import draw

After = Callable[[Tensor, Tensor], Tensor]
"""Given which of the rows so far go on, int64 [N], and with which symbols, int64 [N], returns log P of what follows
each, [N, V]. Whoever has a cache of keys and values takes the same rows of it."""


@final
class Found(NamedTuple):
    """A text: its symbols without the end, log P of them and the end, its score, and whether it has an end."""

    symbols: tuple[int, ...]
    log_p: float
    score: float
    ended: bool


def beam(first: Tensor, after: After, width: int, longest: int, end: int, penalty: float = 1.0) -> list[list[Found]]:
    """Return up to `width` texts for each of B sources, the best first.

    At each step every text goes on with every symbol, and the most probable ones are kept, `width` of them. One that
    has its end keeps its place until the search is over: when all have ended or have `longest` symbols. Their score is
    log P / T^penalty, where T counts the end (Wu et al. 2016, arXiv 1609.08144, divide by a similar power). A width of
    1 takes the most probable symbol each time.

    Args:
        first: log P of the first symbol, [B, V]; -inf is never taken.
        after: Goes on.
        width: Texts that are kept for a source, at least 1.
        longest: Symbols of a text with its end, at most.
        end: The symbol that ends a text.
        penalty: 0 prefers short texts, 1 is the mean of log P.
    """
    found: list[list[Found]] = [[] for _ in range(len(first))]
    alive: list[tuple[int, float, tuple[int, ...]]] = [(source, 0.0, ()) for source in range(len(first))]
    scores = first
    for length in range(1, longest + 1):
        best = scores.topk(min(width, scores.shape[1]), dim=1)
        options: dict[int, list[tuple[float, int, int]]] = {}
        for row, (values, symbols) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
            source, log_p, _ = alive[row]
            options.setdefault(source, []).extend((-log_p - v, row, s) for v, s in zip(values, symbols, strict=True))
        kept: list[tuple[int, int, float]] = []
        for source, some in options.items():
            for cost, row, symbol in sorted(some)[: width - len(found[source])]:
                if cost == torch.inf:
                    continue
                before = alive[row][2]
                if symbol == end or length == longest:
                    whole = before if symbol == end else (*before, symbol)
                    found[source].append(Found(whole, -cost, -cost / length**penalty, symbol == end))
                else:
                    kept.append((row, symbol, -cost))
        if not kept:
            break
        alive = [(alive[row][0], log_p, (*alive[row][2], symbol)) for row, symbol, log_p in kept]
        rows, symbols_, _ = zip(*kept, strict=True)
        scores = after(torch.tensor(rows), torch.tensor(symbols_))
    return [sorted(some, key=lambda one: -one.score) for some in found]


def sampled(
    first: Tensor, after: After, count: int, longest: int, end: int, generator: torch.Generator, penalty: float = 1.0,
    temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0,
) -> list[Found]:  # fmt: skip
    """Return `count` texts for one source, drawn as `parts.sampling.draw` says, the best first.

    log P is the model's, whatever the temperature. See `beam` for the other arguments; `first` is [V].
    """
    found, scores = list[Found](), first.expand(count, -1)
    alive: list[tuple[float, tuple[int, ...]]] = [(0.0, ())] * count
    for length in range(1, longest + 1):
        kept = []
        for row, ((log_p, before), y) in enumerate(zip(alive, scores.cpu(), strict=True)):
            symbol = draw(y, generator, temperature, top_k, top_p)
            now = log_p + float(y[symbol])
            if symbol == end or length == longest:
                whole = before if symbol == end else (*before, symbol)
                found.append(Found(whole, now, now / length**penalty, symbol == end))
            else:
                kept.append((row, symbol, now, (*before, symbol)))
        if not kept:
            break
        alive = [(now, whole) for _, _, now, whole in kept]
        rows = torch.tensor([0 if length == 1 else row for row, *_ in kept])  # at first all go on from one row
        scores = after(rows, torch.tensor([symbol for _, symbol, *_ in kept]))
    return sorted(found, key=lambda one: -one.score)
