"""Splits of labelled samples. They depend only on the labels and a seed, so all methods get the same ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selftaught.data.budget import Labels, balanced_order


def parts(y: Labels, count: int, seed: int, groups: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return the part of each sample, int64 [N] in [0, count).

    Parts have equal size and equal shares of each class. With `groups`, groups stay whole and are assigned at random,
    the largest first.
    """
    if groups is None:
        where = np.empty(len(y), np.int64)
        order = balanced_order(y, seed)
        by_class = order[np.argsort(y[order], kind="stable")]
        where[by_class] = np.arange(len(y)) % count
        return where
    names, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    rng = np.random.Generator(np.random.Philox(key=[seed, 0x6209]))
    shuffled = rng.permutation(len(names))
    part_of = np.empty(len(names), np.int64)
    filled = np.zeros(count, np.int64)
    for g in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        part_of[g] = int(np.argmin(filled))
        filled[part_of[g]] += sizes[g]
    return part_of[group]
