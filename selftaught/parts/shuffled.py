"""The sentences of a text, step by step: in order, or in a new order in each epoch."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def slices(sentences: Ints, parts: int) -> Ints:
    """Return the borders of at most `parts` runs of whole sentences, with about equally many words each.

    Args:
        sentences: int64 [S + 1], where each sentence begins, and the end; S at least 1.
        parts: At least 1. Fewer are returned if there are too few or too long sentences.

    Returns int64 [K + 1], increasing from 0 to S.
    """
    last = len(sentences) - 1
    wanted = np.linspace(sentences[0], sentences[last], parts + 1)[1:-1]
    return np.unique(np.concatenate([[0], np.searchsorted(sentences, wanted), [last]])).astype(np.int64)


def pieces(sentences: Ints, longest: int) -> Ints:
    """Return where pieces begin, int64 [P + 1], given where sentences begin, int64 [S + 1].

    A piece begins at each sentence and after each `longest` tokens of one, so that a text without line ends has many
    steps, and several threads can work on it.
    """
    long = np.flatnonzero(np.diff(sentences) > longest)
    if not long.size:
        return sentences
    inside = [np.arange(sentences[i] + longest, sentences[i + 1], longest) for i in long]
    return np.sort(np.concatenate([sentences, *inside]))


def pieces_in(sentences: Ints, pieces: Ints, first: int, last: int, lead: int) -> tuple[int, Ints, NDArray[np.bool_]]:
    """Return the pieces that begin at the tokens first .. last - 1.

    Returns (where to read from, `lead` tokens earlier if they begin inside a sentence; the borders of the pieces, int64
    [P + 1]; whether each is a border of sentences, bool [P + 1]).
    """
    begin, end = np.searchsorted(pieces[:-1], (first, last))
    borders = pieces[begin : end + 1]
    whole = sentences[np.searchsorted(sentences, borders)] == borders
    return int(borders[0]) - (0 if whole[0] else lead), borders, whole


class Step(NamedTuple):
    """The sentences of one training step."""

    order: Ints
    """int64 [n]: the sentences, in order."""
    begins: Ints
    """int64 [n + 1]: number of words before each sentence, and in total."""
    runs: list[tuple[int, int]]
    """The words of each run: positions in the text of its first word and of the word after its last."""


@final
class Shuffled:
    """Distributes runs of adjacent sentences over the steps of an epoch: in order, or in a new order in each epoch.

    A corpus usually consists of many texts. If it is read in order, the last texts have the largest influence in every
    epoch; if it is mixed, no text has. Which vectors are better depends on the texts. Long runs keep disk reads long.

    Args:
        sentences: int64 [S + 1], where each sentence begins, and the end; S at least 1.
        step: Approximate number of words in a step.
        least: Smallest number of steps, if there are enough sentences.
        run: Approximate number of words that stay together, at most `step`. 0 keeps the order of the text.
    """

    def __init__(self, sentences: Ints, step: int, least: int, run: int) -> None:
        words = int(sentences[-1] - sentences[0])
        self.sentences, self.run = sentences, run
        self.borders = slices(sentences, max(-(-words // (min(run, step) or step)), least))
        """int64 [R + 1]: the first sentence of each run, and the end."""
        self.steps = min(max(-(-words // step), least), len(self.borders) - 1)

    def unused(self) -> dict[str, str]:
        """See `Method.unused`: a text that is one run has no other order."""
        if not self.run or len(self.borders) > 2:
            return {}
        return {"shuffle": "shuffle has no effect, because the text is one run of words without line ends: remove it"}

    def step(self, seed: int, epoch: int, place: int) -> Step:
        """Return step `place` of the epoch."""
        order = np.arange(len(self.borders) - 1)
        if self.run:
            order = np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(order)
        runs = [
            (int(self.borders[run]), int(self.borders[run + 1])) for run in np.array_split(order, self.steps)[place]
        ]
        sentences = np.concatenate([np.arange(first, last) for first, last in runs])
        lengths = self.sentences[sentences + 1] - self.sentences[sentences]
        return Step(
            sentences, np.concatenate([[0], np.cumsum(lengths)]),
            [(int(self.sentences[first]), int(self.sentences[last])) for first, last in runs],
        )  # fmt: skip
