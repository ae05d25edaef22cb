"""How well numbers follow others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Return the correlation. None for fewer than two values, or if all are equal."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Return the correlation of ranks; equal values share their average rank.

    None for fewer than two values, or if all are equal.
    """
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    from scipy.stats import rankdata  # half a second to import, and every training imports this module

    return pearson(rankdata(a), rankdata(b))
