"""Each token of a corpus with the few before it, as what is to be predicted from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, final, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.parts.vocabulary import renumbering

OTHER, END, START = range(3)
"""Added to V: the numbers of any other word, of the end of a sentence (only predicted) and of what stands before its
first token."""


@runtime_checkable
class Sentences(Protocol):
    """A source of text as integers, see `data.text.corpus.Corpus`."""

    ids: NDArray[np.int32]
    sentences: NDArray[np.int64]
    words: Sequence[str]


@final
class Windows(Source):
    """Every token and every end of a sentence is a sample, with the tokens before it in its sentence.

    Args:
        ids: int32 [N].
        sentences: int64 [S + 1], where each sentence begins in `ids`, and the end.
        words: V.
        length: Tokens before.
        table: What turns `ids` into the numbers 0 .. V, int32; None where min(id, V) does.
    """

    def __init__(
        self,
        ids: NDArray[np.int32],
        sentences: NDArray[np.int64],
        words: int,
        length: int,
        table: NDArray[np.int32] | None = None,
    ) -> None:
        # of sentences without a token there is still the end to predict
        self.ids = ids if len(ids) else np.zeros(1, np.int32)
        self.sentences, self.words, self.length, self.table = sentences, words, length, table
        self.starts = sentences + np.arange(len(sentences))  # of each sentence among the samples

    def __len__(self) -> int:
        return int(self.starts[-1])

    def fetch(self, index: Index) -> Raw:
        """``{"context": int64 [B, length], nearest last, "target": int64 [B], "index".

        Int64 [B]}`` in the numbers 0 .. V + 2.
        """
        sentence = np.searchsorted(self.starts, index, side="right") - 1
        place = (index - self.starts[sentence])[:, None] + np.arange(-self.length, 1)  # [B, length + 1] in the sentence
        begin, end = self.sentences[sentence][:, None], self.sentences[sentence + 1][:, None]
        found = np.asarray(self.ids[np.clip(begin + place, 0, len(self.ids) - 1)], np.int64)
        found = np.minimum(found, self.words) if self.table is None else self.table[found].astype(np.int64)
        found = np.where(place < 0, self.words + START, np.where(begin + place == end, self.words + END, found))
        return {"context": found[:, :-1], "target": found[:, -1], "index": np.asarray(index, np.int64)}

    @property
    def fingerprint(self) -> str:
        """Of the number of windows alone: there can be very many."""
        return f"{type(self).__name__}-{len(self)}"


@final
class WindowViews(Views):
    """A corpus as windows in the numbers of an encoder's words. Nothing is random.

    Args:
        index: The number of each word.
        length: Tokens before the one to predict.
    """

    def __init__(self, index: Mapping[str, int], length: int) -> None:
        self.index, self.length = index, length

    def bind(self, source: Source) -> Source:
        """Windows over a corpus. Raises UserError for a source without words."""
        if not isinstance(source, Sentences):
            raise UserError("windows of words need text, and this source has none: give it text")
        table = renumbering(source.words, self.index)
        return Windows(source.ids, source.sentences, len(self.index), self.length, table)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Nothing."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """``{"context": int64 [B, length], "target": int64 [B], "index": int64 [B]}``."""
        return {key: torch.from_numpy(raw[key]).to(device) for key in ("context", "target", "index")}
