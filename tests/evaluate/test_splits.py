from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from selftaught.evaluate.splits import parts

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=120).map(np.asarray)


@settings(max_examples=50, deadline=None)
@given(LABELS, st.integers(2, 5), st.integers(0, 1000))
def test_parts_are_of_equal_size_and_hold_the_classes_alike(y: NDArray[np.int64], count: int, seed: int) -> None:
    part = parts(y, count, seed)
    assert np.ptp(np.bincount(part, minlength=count)) <= 1
    for c in np.unique(y):
        assert np.ptp(np.bincount(part[y == c], minlength=count)) <= 1


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 5), st.integers(1, 6), st.integers(0, 1000))
def test_groups_of_one_class_are_spread_over_the_parts(count: int, size: int, seed: int) -> None:
    """Without regard to classes, parts of as many groups would lack some of them."""
    y = np.repeat(np.arange(4), 2 * count * size)
    groups = np.arange(len(y)) // size  # 2 * count groups of each class
    order = np.random.default_rng(seed).permutation(len(y))
    part = parts(y[order], count, seed, groups[order])
    for c in range(4):
        assert np.bincount(part[y[order] == c], minlength=count).tolist() == [2 * size] * count


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=100).map(np.asarray), st.integers(0, 1000))
def test_groups_stay_whole_and_no_part_is_empty(groups: NDArray[np.int64], seed: int) -> None:
    count = min(3, len(np.unique(groups)))
    part = parts(np.zeros(len(groups), np.int64), count, seed, groups)
    for g in np.unique(groups):
        assert len(np.unique(part[groups == g])) == 1
    assert set(part) == set(range(count))
