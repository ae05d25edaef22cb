"""Parts, splits and joins of sources."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.data import open_source
from selftaught.data.image.arrays import ArraySource
from selftaught.data.joined import Joined
from selftaught.data.subset import Subset, first, split
from selftaught.errors import UserError


def source_of(values: list[int], groups: list[int] | None = None) -> ArraySource:
    images = np.broadcast_to(np.array(values, np.uint8)[:, None, None, None], (len(values), 4, 4, 1))
    return ArraySource(
        np.ascontiguousarray(images),
        np.arange(len(values)) % 3,
        ("a", "b", "c"),
        groups=None if groups is None else np.array(groups),
    )


def values_of(source) -> list[int]:
    return source.fetch(np.arange(len(source)))["image"][:, 0, 0, 0].tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=2, max_size=120), st.randoms())
def test_split_keeps_duplicates_together_and_forgets_the_order(values, random):
    if len(set(values)) < 2:
        return
    train, test = split(source_of(values), "train"), split(source_of(values), "test")
    a, b = values_of(train), values_of(test)
    assert sorted(a + b) == sorted(values)
    assert not set(a) & set(b)
    assert len(set(b)) == max(1, round(0.2 * len(set(values))))
    assert a == [v for v in values if v in set(a)]  # the order of the source
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert set(values_of(split(source_of(shuffled), "test"))) == set(b)


def test_split_is_the_same_for_ever():
    """These very numbers: a change would move samples from the test side to the training side of users' runs."""
    assert values_of(split(source_of(list(range(20))), "test")) == [10, 16, 18, 19]


def test_groups_stay_together():
    values, groups = list(range(100)), [i // 10 for i in range(100)]
    train, test = split(source_of(values, groups), "train"), split(source_of(values, groups), "test")
    assert len(test) == 20
    assert not set(train.groups.tolist()) & set(test.groups.tolist())


def test_the_split_of_groups_forgets_the_order():
    def held(order: list[int]) -> set[int]:
        return set(values_of(split(source_of(order, [value // 10 for value in order]), "test")))

    assert held(list(range(100))) == held(list(range(99, -1, -1)))


@pytest.mark.parametrize("values", [[5], [5, 5, 5]])
def test_too_few_to_split(values):
    with pytest.raises(UserError, match="cannot be split"):
        split(source_of(values), "train")


def test_subset_renumbers():
    source = source_of(list(range(10)))
    part = Subset(source, np.array([7, 2, 2]))
    batch = part.fetch(np.array([0, 2]))
    assert batch["image"][:, 0, 0, 0].tolist() == [7, 2]
    assert batch["index"].tolist() == [0, 2]
    assert batch["label"].tolist() == [1, 2]
    assert part.labels.tolist() == [1, 2, 2]
    assert part.classes == ("a", "b", "c")
    assert part.digests.tolist() == source.digests[[7, 2, 2]].tolist()
    with pytest.raises(IndexError):
        part.fetch(np.array([3]))
    with pytest.raises(IndexError):
        Subset(source, np.array([10]))
    assert part.fingerprint != Subset(source, np.array([2, 7, 2])).fingerprint
    assert part.fingerprint == Subset(source_of(list(range(10))), np.array([7, 2, 2])).fingerprint


def test_first():
    source = source_of(list(range(10)))
    assert values_of(first(source, 3)) == [0, 1, 2]
    assert first(source, 10) is source
    assert first(source, None) is source
    for limit in (0, -1):
        with pytest.raises(UserError, match="limit must be at least 1"):
            open_source(source, "all", limit=limit)


def test_limit_takes_the_first_of_the_side():
    values = list(range(50))
    whole = values_of(open_source(source_of(values), "train"))
    assert values_of(open_source(source_of(values), "train", limit=5)) == whole[:5]


def test_joined():
    a, b = source_of([1, 2, 3], [0, 0, 1]), source_of([4, 5], [0, 1])
    both = Joined([a, b])
    batch = both.fetch(np.array([4, 0, 3, 2]))
    assert batch["image"][:, 0, 0, 0].tolist() == [5, 1, 4, 3]
    assert batch["label"].tolist() == [1, 0, 0, 2]
    assert batch["index"].tolist() == [4, 0, 3, 2]
    assert both.groups.tolist() == [0, 0, 1, 2, 3]
    assert both.traits == {"channels": 1, "size": (4, 4)} and both.samples == "images"
    assert len(both.digests) == 5
    assert both.fingerprint != Joined([b, a]).fingerprint


def test_joined_of_different_sizes():
    small, large = ArraySource(np.zeros((2, 3, 3, 1), np.uint8)), ArraySource(np.ones((2, 5, 4, 1), np.uint8))
    batch = Joined([small, large]).fetch(np.array([0, 3]))
    assert [image.shape for image in batch["image"]] == [(3, 3, 1), (5, 4, 1)]
    assert Joined([small, large]).traits == {"channels": 1}  # what they share
