"""Pairs of passages of a text with hidden tokens, the samples of BERT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels import masked_pairs as kernel
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.parts.symbols import END, MASK, START
from selftaught.parts.tokens import Way, begins_word
from selftaught.parts.vocabulary import renumbering
from selftaught.views.sentences import cut
from selftaught.views.stream import Documents

STREAM = 0x6D61736B6564  # separates these random numbers from those of other views
SHORT = 0.1
"""Of the samples have a random, shorter length, so that the network also knows short texts."""
REPLACED, KEPT = 0.8, 0.1
"""Of the hidden tokens become the mask; stay as they are; the others become random words."""


@final
class Passages(Source):
    """The sentences of a text, those that are long cut into pieces. A sample is a place in it, every `length` tokens.

    Args:
        corpus: The text.
        words: V.
        length: Tokens from one sample to the next; pieces have at most half of it.
        table: Maps the ids of the corpus to the numbers 0 .. V, int32. None if min(id, V) does.
    """

    samples = "windows"

    def __init__(self, corpus: Documents, words: int, length: int, table: NDArray[np.int32] | None) -> None:
        self.ids, self.words, self.length = corpus.ids, words, length
        self.table = np.zeros(0, np.int32) if table is None else table
        self.passages, first = cut(corpus.sentences, max(length // 2, 1))  # [P + 1], [S + 1]
        self.documents = np.unique(first[corpus.documents])  # [D + 1], without empty ones

    def __len__(self) -> int:
        return (len(self.ids) + self.length - 1) // self.length

    def fetch(self, index: Index) -> Raw:
        """Return "passages", this object, and "index", int64 [B]: what a sample contains is decided by its view."""
        return {"passages": self, "index": np.asarray(index, np.int64)}

    @property
    def fingerprint(self) -> str:
        """Return a fingerprint of the number of samples only, because there can be very many."""
        return f"{type(self).__name__}-{len(self)}-{self.length}"


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
        self.words, self.index, self.length, self.share, self.both = len(words), index, length, share, both
        self.goes_on = np.array([whole is not None and not begins_word(word, whole) for word in words], np.bool_)
        self.room = length - 2 - both

    def bind(self, source: Source) -> Source:
        """Return the passages of a corpus.

        Raises UserError for a source without words, and for a single document, if there are to be pairs.
        """
        if not isinstance(source, Documents):
            raise UserError("a language model needs text, but this source has none: use text data")
        made = Passages(source, self.words, self.room, renumbering(source.words, self.index))
        if self.both and len(made.documents) < 3:
            raise UserError(
                "bert draws sentences of other documents, but the text is one document: give several files or records, "
                "or use --no-nsp"
            )
        return made

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return "place" float64 [B, 9], and "hide" float64 [B, length, 3], uniform random numbers."""
        index = np.asarray(index, np.int64)
        return {
            "place": uniforms(seed, STREAM, index, epoch, np.zeros(1, np.int64), 9)[:, 0],
            "hide": uniforms(seed, STREAM, index, epoch, np.ones(1, np.int64), 3 * self.length).reshape(
                len(index), self.length, 3
            ),
        }

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the samples on `device`.

        "tokens", what stands there, "seen", what the network sees, and "segment", 0 or 1, are int64 [B, length];
        "hidden" and "there" (not padding) are bool [B, length]; "follows" is int64 [B]: whether the second text does.
        """
        passages, index, place = raw["passages"], raw["index"], params["place"]
        n, shape = len(index), (len(index), self.length)
        at = np.minimum(
            index * passages.length + (place[:, 0] * passages.length).astype(np.int64), len(passages.ids) - 1
        )
        starts = np.searchsorted(passages.passages, at, side="right") - 1
        short = 2 + (place[:, 2] * (self.room - 1)).astype(np.int64)
        rooms = np.where(place[:, 1] < SHORT, short, self.room)
        tokens, segment = np.zeros(shape, np.int64), np.empty(shape, np.int64)
        follows, lengths = np.zeros(n, np.int64), np.empty(n, np.int64)
        marks, draws = (self.words + START, self.words + END), np.ascontiguousarray(place[:, 3:])
        kernel.pairs(
            passages.ids, passages.passages, passages.documents, passages.table, self.words, *marks,
            starts, rooms, draws, self.both, tokens, segment, follows, lengths,
        )  # fmt: skip
        seen, hidden = np.empty(shape, np.int64), np.empty(shape, np.bool_)
        kernel.hide(
            tokens, lengths, self.words, self.words + MASK, self.share, REPLACED, KEPT, self.goes_on, params["hide"],
            seen, hidden,
        )  # fmt: skip
        there = np.arange(self.length) < lengths[:, None]
        made = {"tokens": tokens, "seen": seen, "segment": segment, "hidden": hidden, "there": there}
        return {key: torch.from_numpy(x).to(device) for key, x in (made | {"follows": follows, "index": index}).items()}
