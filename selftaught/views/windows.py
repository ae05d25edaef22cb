"""Windows of text: each token of a corpus as a target, with the tokens before it as context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, final, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.parts.symbols import END, START
from selftaught.parts.vocabulary import renumbering


@runtime_checkable
class Sentences(Protocol):
    """A source of text as integers; see `data.text.corpus.Corpus`."""

    ids: NDArray[np.int32]
    sentences: NDArray[np.int64]
    words: Sequence[str]


@final
class Windows(Source):
    """Every token and every end of a sentence is a sample, with the tokens before it in its sentence as context.

    Args:
        ids: int32 [N].
        sentences: int64 [S + 1], where each sentence begins in `ids`, and the end.
        words: V.
        length: Number of context tokens.
        table: Maps `ids` to the numbers 0 .. V, int32. None if min(id, V) does.
    """

    def __init__(
        self,
        ids: NDArray[np.int32],
        sentences: NDArray[np.int64],
        words: int,
        length: int,
        table: NDArray[np.int32] | None = None,
    ) -> None:
        # the end of an empty sentence is also predicted
        self.ids = ids if len(ids) else np.zeros(1, np.int32)
        self.sentences, self.words, self.length, self.table = sentences, words, length, table
        self.starts = sentences + np.arange(len(sentences))  # first sample of each sentence

    def __len__(self) -> int:
        return int(self.starts[-1])

    def fetch(self, index: Index) -> Raw:
        """Return "context", int64 [B, length] with the nearest token last, "target", int64 [B], and "index", int64 [B].

        Tokens are numbers 0 .. V + 2.
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
        """Return a fingerprint of the number of windows only, because there can be very many."""
        return f"{type(self).__name__}-{len(self)}"


@final
class WindowViews(Views):
    """A corpus as windows of word numbers of an encoder. Not random.

    Args:
        index: The number of each word.
        length: Number of tokens before the target.
    """

    def __init__(self, index: Mapping[str, int], length: int) -> None:
        self.index, self.length = index, length

    def bind(self, source: Source) -> Source:
        """Return the windows over a corpus. Raises UserError for a source without words."""
        if not isinstance(source, Sentences):
            raise UserError("windows of words need text, but this source has none: use text data")
        table = renumbering(source.words, self.index)
        return Windows(source.ids, source.sentences, len(self.index), self.length, table)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return nothing: the view is not random."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return ``{"context": int64 [B, length], "target": int64 [B], "index": int64 [B]}``."""
        return {key: torch.from_numpy(raw[key]).to(device) for key in ("context", "target", "index")}
