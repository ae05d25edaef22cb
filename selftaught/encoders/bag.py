"""Bag of words: how often a text contains each of the most frequent words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.method import Encoder, Start
from selftaught.parts.frequent import frequent

SMALL = {"min_count": 1}
"""Arguments of a small encoder for quick trials."""


@final
class Bag(Encoder):
    """Represents a text by its word counts. It has no learned parameters.

    For methods that keep counts instead of vectors, such as n-gram models.

    Args:
        input: ``{"kind": "text", "tokens": ..., "lower": ..., "words": [V], "counts": [V]}``, most frequent first.
            Words rarer than `min_count` are removed, so that `spec` has only the known words.
        size: Number of most frequent words whose counts are the features, or all words if there are fewer.
        min_count: Smallest count of a known word.

    Raises UserError when the input is not text, or no word occurs often enough.
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
        """The number of each known word."""
        return {word: row for row, word in enumerate(self.words)}

    def start(self, given: Start) -> None:
        """Raises UserError: there are no weights to start from."""
        raise UserError(
            "init has no effect on encoder bag, which has no weights: remove it; a model of n-grams in an ARPA file is "
            "asked with 'selftaught score FILE'"
        )

    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        """Return one layer: the counts, [B, dim]. They have no positions."""
        return [self(x)]

    def forward(self, x: Any) -> Tensor:
        """Return how often each of B lists of tokens contains each word, [B, dim]."""
        counts = torch.zeros(len(x), self.dim)
        for row, tokens in zip(counts, x, strict=True):
            places = [place for token in tokens if (place := self.index.get(token, self.dim)) < self.dim]
            row += torch.bincount(torch.tensor(places, dtype=torch.int64), minlength=self.dim)
        return counts
