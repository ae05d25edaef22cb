"""Splits of labelled samples. They depend only on the labels and a seed, so all methods get the same ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selftaught.data.budget import Labels, balanced_order


def parts(y: Labels, count: int, seed: int, groups: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return the part of each sample, int64 [N] in [0, count).

    Parts have equal size and equal shares of each class, as nearly as `groups` allow: these stay whole. The largest
    group comes first, equal ones at random, and each goes to the part that has least of its classes.
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
    classes, of_class = np.unique(y, return_inverse=True)
    total = np.bincount(of_class)
    filled = np.zeros((count, len(classes)), np.int64)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(sizes)[:-1])
    for g in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        there, of_each = np.unique(of_class[members[g]], return_counts=True)
        shares = filled[:, there] / total[there] @ of_each  # [count]: how full each part is of what the group has
        part_of[g] = int(np.lexsort((filled.sum(1), shares))[0])
        filled[part_of[g], there] += of_each
    return part_of[group]
