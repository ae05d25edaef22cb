"""How well classes are named. All are shares in [0, 1], except Matthews' correlation, in [-1, 1]."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


def accuracy(said: Labels, truth: Labels) -> float:
    """Return the share of samples whose class is named."""
    return float((said == truth).mean())


def f1(said: Labels, truth: Labels, positive: int = 1) -> float:
    """Return 2 P R / (P + R) of one class: 2 TP / (2 TP + FP + FN); 0 if the class never occurs."""
    right = int(((said == positive) & (truth == positive)).sum())
    return _f1(right, int((said == positive).sum()), int((truth == positive).sum()))


def macro_f1(said: Labels, truth: Labels) -> float:
    """Return the mean of the F1 of every class that is named or is true."""
    return float(np.mean([f1(said, truth, int(c)) for c in np.union1d(said, truth)]))


def micro_f1(said: Labels, truth: Labels, without: int | None = None) -> float:
    """Return the F1 of all decisions together; that of a class which says "none of these" can be left out.

    With every class it is the accuracy, because each sample has one class and gets one.
    """
    counted = np.ones(len(said), np.bool_) if without is None else said != without
    there = np.ones(len(said), np.bool_) if without is None else truth != without
    return _f1(int((counted & there & (said == truth)).sum()), int(counted.sum()), int(there.sum()))


def matthews(said: Labels, truth: Labels) -> float:
    """Return the correlation of what is said with what is true (Matthews 1975, Gorodkin 2004 for several classes).

    For two classes it is (TP TN - FP FN) / sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN)). 0 if all are of one class, or
    are said to be.
    """
    n = len(said)
    classes = np.union1d(said, truth)
    told, are = (np.array([(one == c).sum() for c in classes], np.float64) for one in (said, truth))
    covariance = float((said == truth).sum()) * n - float(told @ are)
    spread = (n * n - float(told @ told)) * (n * n - float(are @ are))
    return covariance / math.sqrt(spread) if spread > 0 else 0.0


def _f1(right: int, told: int, there: int) -> float:
    return 2 * right / (told + there) if told + there else 0.0


def named(said: Any, truth: Any, classes: int) -> dict[str, float]:
    """Return what is measured of `classes` classes, in percent; of two, the second is the positive one."""
    said, truth = np.asarray(said, np.int64), np.asarray(truth, np.int64)
    own = {"F1": f1(said, truth)} if classes == 2 else {"macro F1": macro_f1(said, truth)}
    found = {"accuracy": accuracy(said, truth), **own, "Matthews": matthews(said, truth)}
    return {name: 100 * value for name, value in found.items()}
