"""How a language model reads a text: as tokens, numbered by its own vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

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
