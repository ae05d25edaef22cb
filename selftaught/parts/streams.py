"""Labelled and unlabelled samples in one order, such that every batch has a fixed share of labelled samples."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from selftaught.errors import UserError
from selftaught.source import Index, Labels, Source


def classes_of(source: Source, name: str) -> int:
    """Return K, the number of classes of the source.

    Raises UserError, naming the method, when there are fewer than two labelled classes.
    """
    labels = source.labels
    if not (labels >= 0).any():
        raise UserError(
            f"{name} needs labels, but this data has none: put each class in its own folder, or use another method"
        )
    classes = max(len(source.classes), int(labels.max()) + 1)
    if classes < 2:
        raise UserError(
            f"{name} needs at least two classes, but this data has one: use data with more classes, or another method"
        )
    return classes


@final
class Streams:
    """The order of an epoch with two streams, as in the two-stream sampler of Mean Teacher's released code.

    Any m consecutive samples contain m * share labelled ones, rounded up or down, and so does any batch, for any batch
    size and number of ranks. An epoch ends when both streams were visited once: the longer stream is one permutation,
    and the shorter stream as many permutations as needed.

    Args:
        labels: int64 [N], -1 = unlabelled. If all or none are labelled, the order is a permutation.
        share: Fraction of each batch that is labelled, in [0, 1). 0 uses a permutation of all samples.
    """

    def __init__(self, labels: Labels, share: float) -> None:
        self.with_label, self.without = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
        mixed = share > 0 and len(self.with_label) > 0 and len(self.without) > 0
        self.share = share if mixed else 0.0
        self.part = self.share or len(self.with_label) / max(len(labels), 1)
        """Fraction of labelled samples in an epoch."""

    def order(self, epoch: int, seed: int) -> Index:
        """Return the order of an epoch, int64 [M], M at least N: a pure function of the arguments."""
        if not self.share:
            everyone = np.sort(np.concatenate([self.with_label, self.without]))
            return visits(everyone, len(everyone), epoch, seed)
        total = max(math.ceil(len(self.without) / (1 - self.share)), math.ceil(len(self.with_label) / self.share))
        before = np.floor(np.arange(total + 1) * self.share + 1e-9).astype(np.int64)  # labelled samples so far
        mine = np.diff(before) > 0
        order = np.empty(total, np.int64)
        order[mine] = visits(self.with_label, int(mine.sum()), epoch, seed)
        order[~mine] = visits(self.without, int((~mine).sum()), epoch, seed, 1)
        return order


def visits(samples: Index, count: int, epoch: int, seed: int, stream: int = 0) -> Index:
    """Return `count` of the `samples`, int64 [count], as repeated permutations."""
    rng = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, stream, 0]))
    rounds = [rng.permutation(len(samples)) for _ in range(-(-count // len(samples)))]
    order: Index = samples[np.concatenate([np.empty(0, np.int64), *rounds])[:count]]
    return order
