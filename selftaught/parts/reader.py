"""How a language model reads a text: as tokens, numbered by its own vocabulary.

A model of language with a `reader` and `score_ids` has the answers to `method.Scores` from here, as its own methods::

    score = reader.score
    unknown = reader.unknown
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from selftaught.parts.tokens import tokenise_as
from selftaught.parts.vocabulary import END, numbered

Scoring = Callable[[NDArray[np.int32], NDArray[np.int64]], NDArray[np.float64]]
"""See `method.ScoresCorpus.score_ids`."""


@final
class Reader:
    """Converts text to the token numbers of an encoder of words.

    Args:
        input: The input of the encoder's spec: "tokens", "lower" and "form" define how text is split.
        index: The number of each word.
    """

    def __init__(self, input: Mapping[str, Any], index: Mapping[str, int]) -> None:
        self.input, self.index = input, index

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of a text, split as in training."""
        return tokenise_as(self.input, text)

    def ids(self, text: str) -> NDArray[np.int32]:
        """Return the token numbers of a text, int32 [T]. Unknown tokens have the number after the last word."""
        return numbered(self.tokens(text), self.index)

    def unknown(self, text: str) -> list[str]:
        """Return the tokens that are not in the vocabulary."""
        return [token for token in self.tokens(text) if token not in self.index]

    def scored(self, text: str, scoring: Scoring) -> list[tuple[str, float]]:
        """Return the tokens of one sentence and its end, each with log P given the tokens before it, from `scoring`."""
        tokens = self.tokens(text)
        return list(
            zip([*tokens, END], scoring(numbered(tokens, self.index), np.array([0, len(tokens)])).tolist(), strict=True)
        )


class Reads(Protocol):
    """A model of language that reads by a `Reader`."""

    reader: Reader


class ReadsAndScores(Reads, Protocol):
    """One that scores numbered sentences as well."""

    def score_ids(self, ids: NDArray[np.int32], sentences: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `method.ScoresCorpus`."""


def score(self: ReadsAndScores, text: str) -> list[tuple[str, float]]:
    """Return the tokens of one sentence and its end, each with log P given the tokens before it.

    All unknown words share one probability.
    """
    return self.reader.scored(text, self.score_ids)


def unknown(self: Reads, text: str) -> list[str]:
    """Return the tokens that are not in the vocabulary."""
    return self.reader.unknown(text)


def log_p(y: Tensor, target: Tensor) -> NDArray[np.float64]:
    """Return log P of `target`, int64 [...], by the scores of all symbols y [..., V]: float64 [...]."""
    found: NDArray[np.float64] = (y.gather(-1, target[..., None])[..., 0] - y.logsumexp(-1)).double().cpu().numpy()
    return found
