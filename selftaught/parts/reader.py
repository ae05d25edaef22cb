"""How a language model reads a text: as tokens of its own kind, in the numbers of its own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.parts.tokens import tokenise
from selftaught.parts.vocabulary import END, numbered

Scoring = Callable[[NDArray[np.int32], NDArray[np.int64]], NDArray[np.float64]]
"""See `method.ScoresCorpus.score_ids`."""


@final
class Reader:
    """For an encoder of words.

    Args:
        input: Of its spec: "tokens" and "lower" say how text is split.
        index: The number of each of its words.
    """

    def __init__(self, input: Mapping[str, Any], index: Mapping[str, int]) -> None:
        self.how, self.lower, self.index = input["tokens"], input["lower"], index

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text, split as those that the model was trained on."""
        return tokenise(text, self.how, self.lower)

    def ids(self, text: str) -> NDArray[np.int32]:
        """int32 [T]: its tokens as numbers, those that the model does not know as the number after the last."""
        return numbered(self.tokens(text), self.index)

    def unknown(self, text: str) -> list[str]:
        """The tokens that the model does not know."""
        return [token for token in self.tokens(text) if token not in self.index]

    def scored(self, text: str, scoring: Scoring) -> list[tuple[str, float]]:
        """The tokens of one sentence and its end, each with log P given those before it, as `scoring` says."""
        tokens = self.tokens(text)
        return list(
            zip([*tokens, END], scoring(numbered(tokens, self.index), np.array([0, len(tokens)])).tolist(), strict=True)
        )
