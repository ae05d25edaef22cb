"""Pairs of passages of a text with hidden tokens, the samples of BERT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch

from selftaught.errors import UserError
from selftaught.kernels import masked_pairs as kernel
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.parts.symbols import MASK
from selftaught.parts.tokens import Way, begins_word
from selftaught.views.passages import STREAM, Drawn

REPLACED, KEPT = 0.8, 0.1
"""Of the hidden tokens become the mask; stay as they are; the others become random words."""


@final
class MaskedPairs(Views):
    """Two texts with marks, the second following the first in half of the samples, and hidden tokens in both.

    Args:
        words: The words of the encoder.
        index: The number of each.
        length: Number of symbols, at least 8.
        share: Of the tokens that are hidden.
        both: Whether there is a second text.
        whole: How text was split in pieces of words, if all pieces of a word are hidden together.
    """

    def __init__(
        self, words: Sequence[str], index: Mapping[str, int], length: int, share: float, both: bool,
        whole: Way | None = None,
    ) -> None:  # fmt: skip
        self.drawn, self.words, self.length, self.share = Drawn(index, length, both), len(words), length, share
        self.goes_on = np.array([whole is not None and not begins_word(word, whole) for word in words], np.bool_)

    def bind(self, source: Source) -> Source:
        """Return the passages of a corpus.

        Raises UserError for a source without words, and for a single document, if there are to be pairs.
        """
        made = self.drawn.bind(source)
        if self.drawn.both and len(made.documents) < 3:
            raise UserError(
                "bert draws sentences of other documents, but the text is one document: give several files or records, "
                "or use --no-nsp"
            )
        return made

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return "place" float64 [B, 9], and "hide" float64 [B, length, 3], uniform random numbers."""
        index = np.asarray(index, np.int64)
        return {
            "place": self.drawn.sample(index, epoch, seed),
            "hide": uniforms(seed, STREAM, index, epoch, np.ones(1, np.int64), 3 * self.length).reshape(
                len(index), self.length, 3
            ),
        }

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the samples on `device`.

        "tokens", what stands there, "seen", what the network sees, and "segment", 0 or 1, are int64 [B, length];
        "hidden" and "there" (not padding) are bool [B, length]; "follows" is int64 [B]: whether the second text does.
        """
        found = self.drawn.apply(raw, params["place"])
        tokens, lengths = found["tokens"], found.pop("lengths")
        seen, hidden = np.empty(tokens.shape, np.int64), np.empty(tokens.shape, np.bool_)
        kernel.hide(
            tokens, lengths, self.words, self.words + MASK, self.share, REPLACED, KEPT, self.goes_on, params["hide"],
            seen, hidden,
        )  # fmt: skip
        there = np.arange(self.length) < lengths[:, None]
        made = found | {"seen": seen, "hidden": hidden, "there": there, "index": raw["index"]}
        return {key: torch.from_numpy(x).to(device) for key, x in made.items()}
