"""Where the words of a text occur, with what stands around them."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from selftaught.source import evenly
from selftaught.views.stream import Stream

SCANNED = 1 << 22
"""Tokens of a text that are looked at, the first ones."""


@final
class Occurrences:
    """The places of the words in the first `SCANNED` tokens of a stream.

    Args:
        stream: The text. Windows cannot be longer than its `reach`.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        ids = np.asarray(stream.ids[:SCANNED])
        numbers = stream.table[ids] if len(stream.table) else np.minimum(ids, stream.words)
        self.order = np.argsort(numbers, kind="stable")
        self.counts = np.bincount(numbers, minlength=stream.words + 1)[: stream.words]
        """How often each word occurs there, int64 [V]."""
        self.begins = np.concatenate([[0], np.cumsum(self.counts)])

    def places(self, word: int, most: int) -> NDArray[np.int64]:
        """Return the places in the stream of at most `most` occurrences of a word, evenly spread, int64 [K]."""
        found = self.order[self.begins[word] : self.begins[word + 1]]
        tokens = found[evenly(len(found), most)]
        after = np.searchsorted(self.stream.sentences, tokens, side="right")  # the end of each one's sentence
        found_places: NDArray[np.int64] = self.stream.begins[after] - 1 - (self.stream.sentences[after] - tokens)
        return found_places

    def windows(self, places: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the symbols around each place, int64 [K, length], and where it is in its row, int64 [K].

        It is in the middle, except near the ends of the text.
        """
        first = np.clip(places - length // 2, 0, max(self.stream.size - length, 0))
        return self.stream.read(first)[:, :length], places - first
