"""Weights that grow while training is young."""

from __future__ import annotations

import math


def ramp_up(progress: float, length: float) -> float:
    """exp(-5 (1 - T)^2) with T = progress / length up to 1: from 0.0067 to 1, flat at its end.

    The ramp of Laine and Aila, ICLR 2017, "Temporal Ensembling for Semi-Supervised Learning". `progress` and `length`
    are parts of training in [0, 1]; length 0 is 1 from the start.
    """
    if length <= 0:
        return 1.0
    rest = 1 - min(max(progress / length, 0.0), 1.0)
    return math.exp(-5 * rest * rest)
