"""A table of word vectors; the features of a text are the mean of its word vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Encoder, Start
from selftaught.parts.frequent import frequent
from selftaught.parts.known_to_both import known_to_both, taken
from selftaught.parts.word_vectors import WordVectors

SMALL = {"dim": 8, "min_count": 1}
"""Arguments of a small encoder for quick trials."""


@final
class Lookup(Encoder):
    """A table of word vectors. Texts are lists of tokens; unknown words are skipped.

    Args:
        input: ``{"kind": "text", "tokens": ..., "lower": ..., "words": [V], "counts": [V]}``, most frequent first.
            Words rarer than `min_count` are removed, so that `spec` has only the words of the table.
        dim: Dimension of a vector.
        min_count: Smallest count of a word that gets a vector.

    Raises UserError when the input is not text, or no word occurs often enough.
    """

    sees = ("text",)

    def __init__(self, input: Mapping[str, Any], dim: int = 100, min_count: int = 5) -> None:
        super().__init__()
        if dim < 1:
            raise UserError(f"dim must be at least 1, not {dim}")
        self.words, self.counts, kept = frequent(input, min_count, "lookup")
        self.dim = dim
        self.spec = {"name": "lookup", "input": kept, "dim": dim, "min_count": min_count}
        # small compared with learned vectors
        self.table = nn.Parameter(torch.rand(len(self.words), dim).mul_(2).sub_(1).div_(dim))

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    def word_vectors(self) -> WordVectors:
        """Return the words and a view of the table."""
        return WordVectors(self.words, self.table.detach().cpu().numpy(), self.counts)

    def start(self, given: Start) -> None:
        """Initialise from the vectors of the words that both vocabularies contain."""
        vectors = given.vectors()
        given.tell(taken(self.start_from(vectors), len(self.words), vectors))

    def start_from(self, vectors: WordVectors) -> int:
        """Copy the vectors of the words that both vocabularies contain, and return their number.

        The other rows keep their values. Raises UserError when the vectors have another dimension, or no word is in
        both.
        """
        own, theirs = known_to_both(self.index, self.dim, vectors)
        with torch.no_grad():
            self.table[own] = torch.from_numpy(vectors.matrix[theirs]).to(self.table)
        return len(own)

    def rows(self, tokens: Sequence[str]) -> Tensor:
        """Return the rows of the known tokens, int64, in order."""
        known = (self.index.get(token) for token in tokens)
        return torch.tensor([row for row in known if row is not None], dtype=torch.int64, device=self.table.device)

    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        """Return one layer: the vectors of the known tokens of B lists of tokens, [B, dim, T], padded with zeros."""
        found = [self.table[self.rows(tokens)] for tokens in x]
        return [nn.utils.rnn.pad_sequence(found, batch_first=True).transpose(1, 2)]

    def forward(self, x: Any) -> Tensor:
        """Map B lists of tokens to the mean of their known tokens' vectors, [B, dim], or to zeros."""
        rows = [self.rows(tokens) for tokens in x]
        starts = torch.tensor([0, *(len(r) for r in rows[:-1])], device=self.table.device).cumsum(0)
        return nn.functional.embedding_bag(torch.cat(rows), self.table, starts, mode="mean")
