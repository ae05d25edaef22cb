"""The sentences of a text, step by step: in their order, or in another one each epoch."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def slices(sentences: Ints, parts: int) -> Ints:
    """Borders of at most `parts` runs of whole sentences, about equally many words each.

    Args:
        sentences: int64 [S + 1], where each sentence begins, and the end; S at least 1.
        parts: At least 1. Fewer come back where sentences are too few or too long.

    Returns int64 [K + 1], rising, from 0 to S.
    """
    last = len(sentences) - 1
    wanted = np.linspace(sentences[0], sentences[last], parts + 1)[1:-1]
    return np.unique(np.concatenate([[0], np.searchsorted(sentences, wanted), [last]])).astype(np.int64)


class Step(NamedTuple):
    """What is learned from at once."""

    order: Ints
    """int64 [n]: the sentences, in their order."""
    begins: Ints
    """int64 [n + 1]: how many words come before each of them, and in all."""
    runs: list[tuple[int, int]]
    """The words of each run: the place in the text of its first and of the one after its last."""


@final
class Shuffled:
    """Runs of neighbouring sentences, dealt out to the steps of an epoch: in their order, or in another one each epoch.

    A corpus is mostly many texts, one after the other. Read in their order, the last of them has the last word in every
    epoch; mixed, none has. Which vectors are worth more depends on the texts. Long runs keep reads from a disk long.

    Args:
        sentences: int64 [S + 1], where each sentence begins, and the end; S at least 1.
        step: About how many words a step has.
        least: How many steps there are at least, as far as there are sentences.
        run: About how many words stay together, at most `step`; 0 leaves the text in its order.
    """

    def __init__(self, sentences: Ints, step: int, least: int, run: int) -> None:
        words = int(sentences[-1] - sentences[0])
        self.sentences, self.run = sentences, run
        self.borders = slices(sentences, max(-(-words // (min(run, step) or step)), least))
        """int64 [R + 1]: the first sentence of each run, and the end."""
        self.steps = min(max(-(-words // step), least), len(self.borders) - 1)

    def step(self, seed: int, epoch: int, place: int) -> Step:
        """Step `place` of the epoch."""
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
