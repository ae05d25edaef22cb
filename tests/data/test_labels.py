"""Labels are numbered once for all parts of a data set; what are no labels are named."""

from __future__ import annotations

import re

import numpy as np
import pytest

from selftaught.data.labels import Given, decide


def decided(*parts, names=((), ())):
    found = decide([Given(values, len(values), list(own)) for values, own in zip(parts, names, strict=False)])
    return [one.tolist() for one in found.labels], found.classes


def test_names_are_numbered_over_all_parts() -> None:
    assert decided(["cat", "dog", "eel"], ["eel", "dog"]) == ([[0, 1, 2], [2, 1]], ("cat", "dog", "eel"))
    assert decided(["dog", None], ["ant", ""]) == ([[1, -1], [0, -1]], ("ant", "dog"))


def test_integers_are_kept_and_named_over_all_parts() -> None:
    assert decided([0, 2], [1, None]) == ([[0, 2], [1, -1]], ("0", "1", "2"))
    assert decided([0, 1], [1], names=("ab", "ab")) == ([[0, 1], [1]], ("a", "b"))


def test_integers_with_other_lists_of_names_are_those_names() -> None:
    assert decided([0, 1], [0, 1], names=("ba", "ab")) == ([[1, 0], [0, 1]], ("a", "b"))
    assert decided([0, 1], ["c"], names=("abc", ())) == ([[0, 1], [2]], ("a", "b", "c"))


def test_a_part_without_labels_stays_unknown() -> None:
    found = decide([Given(["a", "b"], 2), Given(None, 3)])
    assert [one.tolist() for one in found.labels] == [[0, 1], [-1, -1, -1]]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([[0, 1], [2]], "lists of different lengths"),
        ([[0, 1], [2, 3]], r"shape \(2, 2\)"),
        ([np.zeros((4, 4)), np.zeros((4, 4))], r"shape \(2, 4, 4\)"),
        ([0.5, 1.0], "not fractions"),
        ([{"x": 1}, None], "not dict"),
        ([1, "a"], "some labels are names and some are numbers, such as 1"),
        ([2**70, 1], "must be in"),
        ([np.iinfo(np.uint64).max, np.uint64(1)], "must be in"),
        ([f"text {i}" for i in range(20)], "hardly any value occurs twice"),
        (np.arange(40), "hardly any value occurs twice"),
    ],
)
def test_what_is_no_class_is_unknown_and_said(values, why) -> None:
    found = decide([Given(values, len(values)), Given(None, 2)])
    assert [one.tolist() for one in found.labels] == [[-1] * len(values), [-1, -1]]
    assert found.classes == ()
    assert re.search(why, found.why)


def test_few_samples_and_lists_of_names_are_no_ids() -> None:
    assert decided(list("abcde")) == ([[0, 1, 2, 3, 4]], tuple("abcde"))
    assert decide([Given(np.arange(40), 40, [str(i) for i in range(40)])]).why == ""
    assert decide([Given([0, 1] * 40, 80), Given(np.arange(30), 30)]).why == ""  # over both parts
