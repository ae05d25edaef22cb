"""A vector for each word, and for a text the mean of its words'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Encoder, Start
from selftaught.parts.frequent import frequent
from selftaught.parts.known_to_both import known_to_both
from selftaught.parts.word_vectors import WordVectors

SMALL = {"dim": 8, "min_count": 1}
"""Arguments for trying things out."""


@final
class Lookup(Encoder):
    """A table of word vectors. Texts come as lists of tokens; words that it does not know are passed over.

    Args:
        input: ``{"kind": "text", "tokens": ..., "lower": ..., "words": [V], "counts": [V]}``, most frequent first. What
            is rarer than `min_count` is dropped here, so that `spec` carries no more words than the table has.
        dim: Numbers in a vector.
        min_count: Words that occur less often get no vector.

    Raises UserError when the input is no text, or no word occurs often enough.
    """

    sees = ("text",)

    def __init__(self, input: Mapping[str, Any], dim: int = 100, min_count: int = 5) -> None:
        super().__init__()
        if dim < 1:
            raise UserError(f"dim must be at least 1, not {dim}")
        self.words, self.counts, kept = frequent(input, min_count, "lookup")
        self.dim = dim
        self.spec = {"name": "lookup", "input": kept, "dim": dim, "min_count": min_count}
        # small beside what is learned
        self.table = nn.Parameter(torch.rand(len(self.words), dim).mul_(2).sub_(1).div_(dim))

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    def word_vectors(self) -> WordVectors:
        """The words and a view of the table."""
        return WordVectors(self.words, self.table.detach().cpu().numpy(), self.counts)

    def start(self, given: Start) -> None:
        """From the vectors of the words that both know."""
        self.start_from(given.vectors())

    def start_from(self, vectors: WordVectors) -> int:
        """Take the vectors of the words that both know, and return how many those are.

        The other rows keep their values.

        Raises UserError when the vectors are of another length, or no word is known to both.
        """
        own, theirs = known_to_both(self.index, self.dim, vectors)
        with torch.no_grad():
            self.table[own] = torch.from_numpy(vectors.matrix[theirs]).to(self.table)
        return len(own)

    def rows(self, tokens: Sequence[str]) -> Tensor:
        """The rows of the tokens that it knows, int64, in their order."""
        known = (self.index.get(token) for token in tokens)
        return torch.tensor([row for row in known if row is not None], dtype=torch.int64, device=self.table.device)

    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        """One: the vectors of the known tokens of B lists of tokens, [B, dim, T], zeros after the last."""
        found = [self.table[self.rows(tokens)] for tokens in x]
        return [nn.utils.rnn.pad_sequence(found, batch_first=True).transpose(1, 2)]

    def forward(self, x: Any) -> Tensor:
        """[B, dim]: the mean of the known tokens' vectors in each of B lists of tokens, zeros where there is none."""
        rows = [self.rows(tokens) for tokens in x]
        starts = torch.tensor([0, *(len(r) for r in rows[:-1])], device=self.table.device).cumsum(0)
        return nn.functional.embedding_bag(torch.cat(rows), self.table, starts, mode="mean")
