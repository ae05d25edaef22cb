"""Successive sentences of a document, the samples of methods that look from one sentence to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.parts.vocabulary import renumbering
from selftaught.views.sentences import cut
from selftaught.views.stream import Documents

STREAM = 0x73656E74656E  # separates these random numbers from those of other views


@final
class Successions(Source):
    """Places where `length` sentences of one document follow each other, one a sample, without overlap.

    The first sentence of a sample is drawn by its view, anew in each epoch, where the document has room. Documents with
    fewer sentences give one sample, if they have at least `least`. A sentence of more than `most` words is several.

    Args:
        text: The text.
        words: V.
        length: Sentences of a sample.
        least: Fewest sentences of a document.
        most: Most words of a sentence.
        table: Maps the ids of the text to the numbers 0 .. V, int32. None if min(id, V) does.
    """

    samples = "passages"

    def __init__(
        self, text: Documents, words: int, length: int, least: int, most: int, table: NDArray[np.int32] | None
    ) -> None:
        self.ids, self.words, self.table = text.ids, words, table
        self.sentences, first_piece = cut(text.sentences, most)
        documents = first_piece[text.documents]
        sizes = np.diff(documents)
        count = np.where(sizes >= least, np.maximum(sizes // length, 1), 0)  # samples of each document
        first = np.cumsum(count) - count
        number = np.arange(int(count.sum())) - np.repeat(first, count)
        self.begins = np.repeat(documents[:-1], count) + number * length  # [N], sentences
        self.ends = np.repeat(documents[1:], count)

    def __len__(self) -> int:
        return len(self.begins)

    def fetch(self, index: Index) -> Raw:
        """Return "sentences", this object, and "index", int64 [B]: which sentences are read is decided by the view."""
        return {"sentences": self, "index": np.asarray(index, np.int64)}

    def read(self, sentence: int) -> NDArray[np.int64]:
        """Return the word numbers 0 .. V of a sentence."""
        ids = np.asarray(self.ids[int(self.sentences[sentence]) : int(self.sentences[sentence + 1])])
        return (np.minimum(ids, self.words) if self.table is None else self.table[ids]).astype(np.int64)

    @property
    def fingerprint(self) -> str:
        """Return a fingerprint of the number of samples only, because there can be very many."""
        return f"{type(self).__name__}-{len(self)}"


@final
class SuccessionViews(Views):
    """Sentences in order.

    Args:
        index: The number of each word.
        length: Sentences of a sample.
        least: Fewest sentences of a sample.
        most: Most words of a sentence; a longer one is several.
    """

    def __init__(self, index: Mapping[str, int], length: int, least: int, most: int) -> None:
        self.index, self.length, self.least, self.most = index, length, least, most

    def bind(self, source: Source) -> Source:
        """Return the places of a corpus where enough sentences follow each other.

        Raises UserError for a source without words, and if no document has enough sentences.
        """
        if not isinstance(source, Documents):
            raise UserError("sentences are parts of text, but this source has none: use text data")
        table = renumbering(source.words, self.index)
        made = Successions(source, len(self.index), self.length, self.least, self.most, table)
        if len(made) == 0:
            raise UserError(
                f"no document has {self.least} sentences (lines) that follow each other: give documents of several "
                "lines, or use fewer steps"
            )
        return made

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return "shift", float64 [B] in [0, 1): how far into its room a sample begins."""
        u = uniforms(seed, STREAM, np.asarray(index, np.int64), epoch, np.zeros(1, np.int64), 1)
        return {"shift": u[:, 0, 0]}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the sentences on `device`.

        "tokens", int64 [B, length, T], and "there", bool of the same shape: False for padding, and for sentences that
        the document does not have. "index" is int64 [B].
        """
        text, index = raw["sentences"], raw["index"]
        begins, ends = text.begins[index], text.ends[index]
        room = np.clip(ends - begins - self.length, 0, self.length - 1)
        begins = begins + (params["shift"] * (room + 1)).astype(np.int64)
        found = [
            [text.read(s) for s in range(begin, min(begin + self.length, end))]
            for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
        ]
        longest = max(max(len(ids) for ids in row) for row in found)
        tokens = np.zeros((len(index), self.length, max(longest, 1)), np.int64)
        there = np.zeros(tokens.shape, np.bool_)
        for row, sentences in enumerate(found):
            for place, ids in enumerate(sentences):
                tokens[row, place, : len(ids)], there[row, place, : len(ids)] = ids, True
        made = {"tokens": tokens, "there": there, "index": index}
        return {key: torch.from_numpy(value).to(device) for key, value in made.items()}
