"""Weights that grow at the beginning of training."""

from __future__ import annotations

import math


def ramp_up(progress: float, length: float) -> float:
    """Return exp(-5 (1 - T)^2) with T = progress / length, at most 1. It rises from 0.0067 to 1 and is flat at its end.

    The ramp of Laine and Aila, ICLR 2017, "Temporal Ensembling for Semi-Supervised Learning". `progress` and `length`
    are fractions of training in [0, 1]. With length 0 the result is 1 from the start.
    """
    if length <= 0:
        return 1.0
    rest = 1 - min(max(progress / length, 0.0), 1.0)
    return math.exp(-5 * rest * rest)
