"""The sentences of a text, one a sample, as an encoder numbers their symbols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.parts.symbols import END, START
from selftaught.parts.vocabulary import renumbering
from selftaught.views.windows import Sentences


def cut(sentences: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut sentences into pieces of at most `most` tokens; an empty one is a piece.

    Args:
        sentences: int64 [S + 1], where each sentence begins, and the end.
        most: At least 1.

    Returns where each piece begins, and the end, int64 [P + 1]; and which is the first piece of each sentence, and how
    many there are, int64 [S + 1].

    >>> cut(np.array([0, 5, 6]), 2)
    (array([0, 2, 4, 5, 6]), array([0, 3, 4]))
    """
    pieces = np.maximum(-(-np.diff(sentences) // most), 1)  # of each sentence
    first = np.concatenate([[0], np.cumsum(pieces)])
    number = np.arange(first[-1]) - np.repeat(first[:-1], pieces)  # of each piece in its sentence
    return np.append(np.repeat(sentences[:-1], pieces) + number * most, sentences[-1]), first


@final
class Lines(Source):
    """Sentences of a text; those that are long are cut into pieces. A sample is a piece.

    Args:
        text: The text.
        words: V.
        most: Most tokens of a piece.
        table: Maps the ids of the text to the numbers 0 .. V, int32. None if min(id, V) does.
    """

    samples = "sentences"

    def __init__(self, text: Sentences, words: int, most: int, table: NDArray[np.int32] | None) -> None:
        self.ids, self.words, self.table = text.ids, words, table
        borders, _ = cut(text.sentences, most)
        there = np.diff(borders) > 0
        self.begins, self.ends = borders[:-1][there], borders[1:][there]  # [N] each

    def __len__(self) -> int:
        return len(self.begins)

    def fetch(self, index: Index) -> Raw:
        """Return "tokens", B arrays of word numbers 0 .. V, and "index", int64 [B]."""
        index = np.asarray(index, np.int64)
        return {"tokens": [self._numbers(int(row)) for row in index], "index": index}

    def _numbers(self, row: int) -> NDArray[np.int64]:
        ids = np.asarray(self.ids[self.begins[row] : self.ends[row]])
        return (np.minimum(ids, self.words) if self.table is None else self.table[ids]).astype(np.int64)

    @property
    def fingerprint(self) -> str:
        """Return a fingerprint of the number of sentences only, because there can be very many."""
        return f"{type(self).__name__}-{len(self)}"


@final
class SentenceViews(Views):
    """Each sentence between the marks of an encoder's texts. Not random.

    Args:
        index: The number of each word.
        length: Most symbols of a sentence, with its marks: at least 3.
        end: Whether a text has an end mark, as for an encoder that looks both ways.
    """

    def __init__(self, index: Mapping[str, int], length: int, end: bool) -> None:
        self.index, self.length, self.end = index, length, end

    def bind(self, source: Source) -> Source:
        """Return the sentences of a corpus. Raises UserError for a source without words."""
        if not isinstance(source, Sentences):
            raise UserError("sentences are parts of text, but this source has none: use text data")
        most = self.length - 1 - self.end
        return Lines(source, len(self.index), most, renumbering(source.words, self.index))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return nothing: the view is not random."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return ``{"tokens": int64 [B, T], "there": bool [B, T], "index": int64 [B]}``, T that of the longest."""
        found, words = raw["tokens"], len(self.index)
        length = max(len(tokens) for tokens in found) + 1 + self.end
        tokens, there = np.zeros((len(found), length), np.int64), np.zeros((len(found), length), np.bool_)
        tokens[:, 0] = words + START
        for row, ids in enumerate(found):
            tokens[row, 1 : 1 + len(ids)] = ids
            if self.end:
                tokens[row, 1 + len(ids)] = words + END
            there[row, : 1 + len(ids) + self.end] = True
        made = {"tokens": tokens, "there": there, "index": raw["index"]}
        return {key: torch.from_numpy(value).to(device) for key, value in made.items()}
