"""Budgets of labels, and class-balanced, nested draws of that size.

Training and evaluation use the same draws.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

Labels = NDArray[np.int64]
Index = NDArray[np.int64]
Budget = int | str
"""Labels per class (int), or a percentage of all labels ("1%")."""


def balanced_order(y: Labels, seed: int) -> Index:
    """Return a random order of all samples in which every prefix is class-balanced, with differences of at most one.

    A class that has no samples left is skipped from there on. Prefixes are nested subsets by construction.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, 0x5B11]))
    order = rng.permutation(len(y))
    rank = np.empty(len(y), np.int64)  # the number of earlier samples of the same class
    for c in np.unique(y):
        members = order[y[order] == c]
        rank[members] = np.arange(len(members))
    shuffled = rng.permutation(int(y.max()) + 1)  # the order of the classes among equals
    return np.lexsort((shuffled[y], rank))


def subset(y: Labels, budget: Budget, seed: int) -> Index:
    """Return the positions of the labels of one draw.

    A draw is a prefix of one order per seed, so that smaller budgets are subsets of larger ones. A class with fewer
    samples than requested gives all of them; a percentage gives at least one sample per class.

    Raises UserError if the budget is invalid.
    """
    order = balanced_order(y, seed)
    if isinstance(budget, int):
        if budget < 1:
            raise UserError(f"a budget of labels must be at least 1 per class, not {budget}")
        sizes = np.bincount(y)
        return np.sort(order[: int(np.minimum(sizes, budget).sum())])
    return np.sort(order[: max(len(np.unique(y)), round(_part(budget) * len(y)))])


def _part(budget: str) -> float:
    try:
        part = float(budget.removesuffix("%")) / 100
    except ValueError:
        part = -1.0
    if not budget.endswith("%") or not 0 < part <= 1:
        raise UserError(
            f"a budget of labels must be a number of labels per class, or a percentage such as '1%', not '{budget}'"
        )
    return part


def parse(text: str) -> Budget:
    """Parse the value of ``--labels``: "10/class" becomes 10, "10%" stays as it is, and "all" becomes "100%".

    Raises UserError for any other value.
    """
    a_class = re.fullmatch(r"(\d+)/class", text)
    part = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)%", text)
    if text == "all":
        return "100%"
    if a_class:
        if int(a_class[1]) < 1:
            raise UserError(f"labels must be at least 1/class, not {text}")
        return int(a_class[1])
    if part:
        if not 0 < float(part[1]) <= 100:
            raise UserError(f"labels must be more than 0% and at most 100%, not {text}")
        return text
    raise UserError(
        f"labels must be a number per class such as 10/class, a percentage such as 10%, or all, not '{text}'"
    )
