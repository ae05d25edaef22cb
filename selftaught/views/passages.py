"""Passages of a text between marks, alone or in pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels import masked_pairs as kernel
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.parts.symbols import END, START
from selftaught.parts.vocabulary import renumbering
from selftaught.views.sentences import cut
from selftaught.views.stream import Documents

STREAM = 0x6D61736B6564  # separates these random numbers from those of other views
SHORT = 0.1
"""Of the samples have a random, shorter length, so that the network also knows short texts."""


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
class Drawn:
    """Draws samples of one text or of two with marks; the second follows the first in half of the samples.

    Args:
        index: The number of each word of the encoder.
        length: Number of symbols, at least 8.
        both: Whether there is a second text.
    """

    def __init__(self, index: Mapping[str, int], length: int, both: bool) -> None:
        self.index, self.words, self.length, self.both = index, len(index), length, both
        self.room = length - 2 - both

    def bind(self, source: Source) -> Passages:
        """Return the passages of a corpus. Raises UserError for a source without words."""
        if not isinstance(source, Documents):
            raise UserError("a language model needs text, but this source has none: use text data")
        return Passages(source, self.words, self.room, renumbering(source.words, self.index))

    def sample(self, index: Index, epoch: int, seed: int) -> NDArray[np.float64]:
        """Return uniform random numbers, float64 [B, 9]."""
        index = np.asarray(index, np.int64)
        return uniforms(seed, STREAM, index, epoch, np.zeros(1, np.int64), 9)[:, 0]

    def apply(self, raw: Raw, place: NDArray[np.float64]) -> dict[str, NDArray[np.int64]]:
        """Return "tokens" and "segment" [B, length], "follows" [B] and "lengths" [B], without padding, int64 each."""
        passages, index = raw["passages"], raw["index"]
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
        return {"tokens": tokens, "segment": segment, "follows": follows, "lengths": lengths}


@final
class PassageViews(Views):
    """The view "text": a passage at a random place, between the marks of an encoder's texts.

    Args:
        index: The number of each word of the encoder.
        length: Number of symbols, at least 8.
    """

    def __init__(self, index: Mapping[str, int], length: int) -> None:
        if length < 8:
            raise UserError(f"passages of text need a context of at least 8 symbols, not {length}: --encoder.context")
        self.drawn = Drawn(index, length, both=False)

    def bind(self, source: Source) -> Source:
        """Return the passages of a corpus. Raises UserError for a source without words."""
        return self.drawn.bind(source)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return "place", uniform random numbers, float64 [B, 9]."""
        return {"place": self.drawn.sample(index, epoch, seed)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return "text" int64 [B, length], "mask" bool [B, length], False at padding, and "index" on `device`."""
        found = self.drawn.apply(raw, params["place"])
        there = np.arange(self.drawn.length) < found["lengths"][:, None]
        made = {"text": found["tokens"], "mask": there, "index": raw["index"]}
        return {key: torch.from_numpy(x).to(device) for key, x in made.items()}
