"""Budgets of labels and their draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from selftaught.data.budget import balanced_order, parse, subset
from selftaught.errors import UserError

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=120).map(np.asarray)


@settings(max_examples=50, deadline=None)
@given(LABELS, st.integers(0, 1000))
def test_every_prefix_is_balanced_within_one_as_far_as_the_classes_reach(y: NDArray[np.int64], seed: int) -> None:
    order = balanced_order(y, seed)
    assert sorted(order) == list(range(len(y)))
    sizes = np.bincount(y, minlength=5)
    for end in range(1, len(y) + 1):
        taken = np.bincount(y[order[:end]], minlength=5)
        unfinished = taken[(taken < sizes)]
        if len(unfinished):
            assert taken.max() - unfinished.min() <= 1


def test_orders_are_random_and_repeat() -> None:
    y = np.arange(100) % 4
    assert balanced_order(y, 1).tolist() == balanced_order(y, 1).tolist()
    assert balanced_order(y, 1).tolist() != balanced_order(y, 2).tolist()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=40, max_size=200).map(np.asarray), st.integers(0, 100))
def test_subsets_are_nested_and_balanced_within_one(y: NDArray[np.int64], seed: int) -> None:
    drawn = [set(subset(y, budget, seed)) for budget in (1, 2, 5, "50%", "100%")]
    assert drawn[0] <= drawn[1] <= drawn[2]
    assert len(drawn[4]) == len(y)
    sizes = np.bincount(y)
    np.testing.assert_array_equal(np.bincount(y[sorted(drawn[2])], minlength=len(sizes)), np.minimum(sizes, 5))
    half = np.bincount(y[sorted(drawn[3])], minlength=len(sizes))
    open_ = half < sizes
    assert not open_.any() or half.max() - half[open_].min() <= 1


def test_smaller_parts_are_inside_larger_ones_and_draws_differ() -> None:
    y = np.arange(2000) % 10
    one, ten = subset(y, "1%", 0), subset(y, "10%", 0)
    assert (len(one), len(ten)) == (20, 200)
    assert set(one) < set(ten)
    assert set(one) != set(subset(y, "1%", 1))
    assert len(subset(y, "0.1%", 0)) == 10  # one of each class at least


@settings(max_examples=50, deadline=None)
@given(LABELS, st.integers(1, 20), st.integers(0, 1000))
def test_labels_a_class_are_the_first_of_each_class_in_the_order(y: NDArray[np.int64], budget: int, seed: int) -> None:
    order = balanced_order(y, seed)
    expected = [i for c in np.unique(y) for i in order[y[order] == c][:budget]]
    assert subset(y, budget, seed).tolist() == sorted(expected)


@pytest.mark.parametrize(
    ("text", "budget"),
    [("10/class", 10), ("4/class", 4), ("10%", "10%"), ("0.5%", "0.5%"), ("100%", "100%"), ("all", "100%")],
)
def test_what_a_flag_says(text: str, budget: int | str) -> None:
    assert parse(text) == budget


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0/class", "labels must be at least 1/class, not 0/class"),
        ("200%", "labels must be more than 0% and at most 100%, not 200%"),
        ("0%", "labels must be more than 0% and at most 100%, not 0%"),
        *(
            (t, f"or all, not '{t}'")
            for t in ("10", "-1/class", "ten", "", "10 / class", "1e1%", "nan%", "4/classes", "%")
        ),
    ],
)
def test_what_a_flag_may_not_say(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(text)
    assert sentence in str(refused.value)
