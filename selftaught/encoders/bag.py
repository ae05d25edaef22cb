"""How often a text holds each of the most frequent words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.frequent import frequent

SMALL = {"min_count": 1}
"""Arguments for trying things out."""


@final
class Bag(Encoder):
    """A text as counts of words; nothing in it is learned.

    For methods that keep counts rather than vectors, as n-gram models do.

    Args:
        input: ``{"kind": "text", "tokens": ..., "lower": ..., "words": [V], "counts": [V]}``, most frequent first. What
            is rarer than `min_count` is dropped here, so that `spec` carries no more words than a model of them knows.
        size: The features are the counts of the so many most frequent words, or of all if there are fewer.
        min_count: Words that occur less often are not known.

    Raises UserError when the input is no text, or no word occurs often enough.
    """

    sees = ("text",)

    def __init__(self, input: Mapping[str, Any], size: int = 2000, min_count: int = 2) -> None:
        super().__init__()
        if size < 1:
            raise UserError(f"size of the encoder bag must be at least 1, not {size}")
        self.words, self.counts, kept = frequent(input, min_count, "bag")
        self.dim = min(len(self.words), size)
        self.spec = {"name": "bag", "input": kept, "size": size, "min_count": min_count}

    @cached_property
    def index(self) -> dict[str, int]:
        """The place of each word among all that are known."""
        return {word: row for row, word in enumerate(self.words)}

    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        """One: the counts, [B, dim]; they have no positions."""
        return [self(x)]

    def forward(self, x: Any) -> Tensor:
        """[B, dim]: how often each of B lists of tokens holds each word."""
        counts = torch.zeros(len(x), self.dim)
        for row, tokens in zip(counts, x, strict=True):
            places = [place for token in tokens if (place := self.index.get(token, self.dim)) < self.dim]
            row += torch.bincount(torch.tensor(places, dtype=torch.int64), minlength=self.dim)
        return counts
