"""Labelled and unlabelled samples in one order, so that every batch holds a fixed share of labelled ones."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from selftaught.errors import UserError
from selftaught.source import Index, Labels, Source


def classes_of(source: Source, name: str) -> int:
    """K, the number of classes that the source knows.

    Raises UserError, naming the method, when fewer than two are labelled.
    """
    labels = source.labels
    if not (labels >= 0).any():
        raise UserError(
            f"{name} needs labels and this data has none: name classes by folders, or choose another method"
        )
    classes = max(len(source.classes), int(labels.max()) + 1)
    if classes < 2:
        raise UserError(f"{name} needs at least two classes and this data has one")
    return classes


@final
class Streams:
    """The order of an epoch, of two streams: as in the two-stream sampler of Mean Teacher's released code.

    Any run of m neighbours in the order holds m * share labelled samples, rounded up or down, so any batch does,
    whatever its size and however ranks cut it. An epoch ends when both streams were visited once: the longer gives a
    permutation, and the shorter as many permutations, one after the other, as that takes.

    Args:
        labels: int64 [N], -1 = unlabelled. When all or none are labelled the order is a permutation.
        share: The part of each batch that is labelled, in [0, 1); 0 leaves it to chance (a permutation of all).
    """

    def __init__(self, labels: Labels, share: float) -> None:
        self.with_label, self.without = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
        mixed = share > 0 and len(self.with_label) > 0 and len(self.without) > 0
        self.share = share if mixed else 0.0
        self.part = self.share or len(self.with_label) / max(len(labels), 1)
        """The labelled part of what an epoch visits."""

    def order(self, epoch: int, seed: int) -> Index:
        """int64 [M], M at least N: a pure function of the arguments."""
        if not self.share:
            everyone = np.sort(np.concatenate([self.with_label, self.without]))
            return visits(everyone, len(everyone), epoch, seed)
        total = max(math.ceil(len(self.without) / (1 - self.share)), math.ceil(len(self.with_label) / self.share))
        before = np.floor(np.arange(total + 1) * self.share + 1e-9).astype(np.int64)  # labelled ones so far
        mine = np.diff(before) > 0
        order = np.empty(total, np.int64)
        order[mine] = visits(self.with_label, int(mine.sum()), epoch, seed)
        order[~mine] = visits(self.without, int((~mine).sum()), epoch, seed, 1)
        return order


def visits(samples: Index, count: int, epoch: int, seed: int, stream: int = 0) -> Index:
    """`count` of the `samples`, permutation after permutation: none comes again before all were there.

    Int64 [count].
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, stream, 0]))
    rounds = [rng.permutation(len(samples)) for _ in range(-(-count // len(samples)))]
    order: Index = samples[np.concatenate([np.empty(0, np.int64), *rounds])[:count]]
    return order
