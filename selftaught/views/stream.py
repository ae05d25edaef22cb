"""A text as one stream of symbols, and windows of it for models of language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, final, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels import stream as kernel
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.parts.symbols import END, START
from selftaught.parts.vocabulary import renumbering
from selftaught.views.windows import Sentences

TOGETHER = 16
"""Windows that are scored at a time."""
STREAM = 0x73747265616D  # separates the places of windows from other views' random numbers


@runtime_checkable
class Documents(Sentences, Protocol):
    """A source of documents of sentences as integers; see `data.text.corpus.Corpus`."""

    documents: NDArray[np.int64]


@final
class Stream(Source):
    """The symbols of a text in order: the start of a document, its tokens, and an end after each sentence.

    A sample is a window of `length` symbols, from which `reach` symbols can be read. Windows do not overlap; after the
    last symbol the text begins again, so that all windows are full.

    Args:
        ids: int32 [N].
        sentences: int64 [S + 1], where each sentence begins in `ids`, and the end.
        documents: int64 [D + 1], where each document begins in `sentences`, and the end.
        words: V. Symbols are 0 .. V - 1, V for other words, V + 1 for the end of a sentence, V + 2 for the start.
        length: Symbols from one window to the next.
        reach: Symbols that a sample has.
        table: Maps `ids` to the numbers 0 .. V, int32. None if min(id, V) does.
    """

    samples = "windows"

    def __init__(
        self,
        ids: NDArray[np.int32],
        sentences: NDArray[np.int64],
        documents: NDArray[np.int64],
        words: int,
        length: int,
        reach: int,
        table: NDArray[np.int32] | None = None,
    ) -> None:
        self.ids, self.sentences, self.words, self.length, self.reach = ids, sentences, words, length, reach
        self.table = np.zeros(0, np.int32) if table is None else table
        opens = np.zeros(len(sentences), np.int64)
        opens[documents[:-1][np.diff(documents) > 0]] = 1
        # each sentence has one more symbol than tokens, and the first of a document one more
        before = np.concatenate([[0], np.cumsum(opens[:-1])])
        self.begins = sentences + np.arange(len(sentences)) + before  # [S + 1]

    @property
    def size(self) -> int:
        """The number of symbols."""
        return int(self.begins[-1])

    def __len__(self) -> int:
        return (self.size + self.length - 1) // self.length

    def fetch(self, index: Index) -> Raw:
        """Return "tokens", int64 [B, reach], and "index", int64 [B]."""
        index = np.asarray(index, np.int64)
        return {"tokens": self.read(index * self.length), "index": index}

    def read(self, places: Index) -> NDArray[np.int64]:
        """Return the symbols from each of `places` on, int64 [B, reach]. Those beyond the end are of the beginning."""
        places, found = np.asarray(places, np.int64) % self.size, np.empty((len(places), self.reach), np.int64)
        marks = self.words + START, self.words + END
        kernel.read(self.ids, self.sentences, self.begins, self.table, self.words, *marks, places, found)
        return found

    @property
    def fingerprint(self) -> str:
        """Return a fingerprint of the number of windows only, because there can be very many."""
        return f"{type(self).__name__}-{len(self)}-{self.length}"


@final
class StreamViews(Views):
    """Windows of `length` symbols and the one after them, which begin elsewhere in each epoch.

    Args:
        index: The number of each word.
        length: Number of symbols that a model sees at once.
    """

    def __init__(self, index: Mapping[str, int], length: int) -> None:
        self.index, self.length = index, length

    def bind(self, source: Source) -> Source:
        """Return the windows of a corpus. Raises UserError for a source without words."""
        if not isinstance(source, Documents):
            raise UserError("a language model needs text, but this source has none: use text data")
        table = renumbering(source.words, self.index)
        arrays = source.ids, source.sentences, source.documents
        return Stream(*arrays, len(self.index), self.length, 2 * self.length, table)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return "shift", int64 [B], in [0, length): how far into its sample a window begins."""
        u = uniforms(seed, STREAM, np.asarray(index, np.int64), epoch, np.arange(1), 1)[:, 0, 0]
        return {"shift": (u * self.length).astype(np.int64)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return ``{"tokens": int64 [B, length + 1], "index": int64 [B]}``."""
        columns = params["shift"][:, None] + np.arange(self.length + 1)
        tokens = np.take_along_axis(raw["tokens"], columns, 1)
        return {"tokens": torch.from_numpy(tokens).to(device), "index": torch.from_numpy(raw["index"]).to(device)}


def scored(
    ids: NDArray[np.int32],
    sentences: NDArray[np.int64],
    words: int,
    context: int,
    log_p: Callable[[NDArray[np.int64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return log P of the tokens and of the end of each sentence given all before, float64 [N + S].

    Each symbol sees at least half of the context, where there is so much before it.

    Args:
        ids: int32 [N], numbers of a model's `words`. The sentences are one document.
        sentences: int64 [S + 1], where each sentence begins in `ids`, and the end.
        words: V.
        context: Number of symbols that the model sees at once.
        log_p: Maps windows of symbols int64 [B, context + 1] to log P of all but the first given those before in the
            window, float64 [B, context].
    """
    stream = Stream(ids, sentences, np.array([0, len(sentences) - 1]), words, max(context // 2, 1), context + 1)
    found = np.empty(stream.size)
    known = 1  # symbols before this place are scored; nothing predicts the first one
    for first in range(0, len(stream), TOGETHER):
        index = np.arange(first, min(first + TOGETHER, len(stream)))
        rows = log_p(stream.fetch(index)["tokens"])
        for place, row in zip((index * stream.length).tolist(), rows, strict=True):
            last = min(place + context + 1, stream.size)
            if last > known:
                found[known:last] = row[known - place - 1 : last - place - 1]
                known = last
    return found[1:]
