"""Draws from a fixed distribution in constant time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError


def alias(weights: NDArray[np.float64]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Walker's alias table (Walker 1977; Vose 1991).

    An element is a uniform slot, then the slot's own number or its other one.

    With q_i = n weights_i / sum(weights), slot i answers i with probability threshold_i / 2^32 and other_i else. Slots
    with q < 1 lack something, the rest have too much. Handed out in order, what slot h gives away are the parts of the
    lacking slots between two sums of surpluses, so that both columns come from two cumulative sums instead of a loop.

    Args:
        weights: At least 0, not all of them 0, [n], n less than 2^31.

    Returns the thresholds, uint32 [n], and the other answers, int32 [n]. `kernels.words.draw` reads them.
    Raises UserError for weights that are no distribution.
    """
    weights = np.asarray(weights, np.float64)
    total = float(weights.sum())
    if weights.ndim != 1 or not weights.size or not np.isfinite(total) or total <= 0 or weights.min() < 0:
        raise UserError(
            "weights to draw by must be a list of numbers that are finite, at least 0 and not all of them 0"
        )
    q = weights * (weights.size / total)
    short = q < 1
    short[q.argmax()] = False  # equal weights may all round to less than 1
    light, heavy = np.flatnonzero(short), np.flatnonzero(~short)
    lacking = np.concatenate([[0.0], np.cumsum(1 - q[light])])  # before each light slot, and after the last
    surplus = np.cumsum(q[heavy] - 1)  # through each heavy slot
    share, other = np.ones(weights.size), np.arange(weights.size, dtype=np.int32)
    share[light] = q[light]
    if light.size:
        giver = np.searchsorted(surplus, lacking[:-1], side="right")
        other[light] = heavy[np.minimum(giver, heavy.size - 1)]
        # A heavy slot gives until it lacks something itself; what it lacks then comes from the next one
        emptied = np.searchsorted(lacking, surplus, side="left")
        ran_out = emptied < lacking.size
        ran_out[-1] = False  # the last keeps what is left: exactly 1 but for rounding
        share[heavy[ran_out]] = 1 + surplus[ran_out] - lacking[emptied[ran_out]]
        other[heavy[:-1][ran_out[:-1]]] = heavy[1:][ran_out[:-1]]
    return np.minimum(np.clip(share, 0, 1) * 2.0**32, 2.0**32 - 1).astype(np.uint32), other
