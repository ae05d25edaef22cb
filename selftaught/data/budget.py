"""Budgets of labels, and the nested, class-balanced draws that spend them.

The same for what trains and for what judges.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

Labels = NDArray[np.int64]
Index = NDArray[np.int64]
Budget = int | str
"""Labels a class (int), or a part of all labels ("1%")."""


def balanced_order(y: Labels, seed: int) -> Index:
    """A random order of all samples, every prefix of which holds the classes equally often, give or take one.

    Classes that run out are missed from there on. Prefixes are nested subsets by construction.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, 0x5B11]))
    order = rng.permutation(len(y))
    rank = np.empty(len(y), np.int64)  # how many of the same class come before
    for c in np.unique(y):
        members = order[y[order] == c]
        rank[members] = np.arange(len(members))
    shuffled = rng.permutation(int(y.max()) + 1)  # which class comes first among equals
    return np.lexsort((shuffled[y], rank))


def subset(y: Labels, budget: Budget, seed: int) -> Index:
    """The positions of the labels of one draw.

    A prefix of one order per seed, so that smaller budgets are inside larger ones.

    A class that has fewer samples than asked for gives all it has; a part gives at least one of each class. Raises
    UserError for a budget that means nothing.
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
    """What ``--labels`` says: "10/class" is 10, "10%" stays, "all" is "100%".

    Raises UserError, one sentence, for anything else.
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
