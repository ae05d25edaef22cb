"""Parts, splits and joins of sources."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.data import open_source
from selftaught.data.image.arrays import ArraySource
from selftaught.data.joined import Joined
from selftaught.data.subset import Subset, draw, drawn, split, split_index
from selftaught.errors import UserError


def source_of(values: list[int], groups: list[int] | None = None, labelled: bool = True) -> ArraySource:
    images = np.broadcast_to(np.array(values, np.uint8)[:, None, None, None], (len(values), 4, 4, 1))
    return ArraySource(
        np.ascontiguousarray(images),
        np.arange(len(values)) % 3 if labelled else None,
        ("a", "b", "c"),
        groups=None if groups is None else np.array(groups),
    )


def values_of(source) -> list[int]:
    return source.fetch(np.arange(len(source)))["image"][:, 0, 0, 0].tolist()


def sorted_by_digest(values: list[int]) -> list[int]:
    source = source_of(sorted(set(values)))
    return [values_of(source)[i] for i in np.argsort([row.tobytes() for row in source.digests])]


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
    assert set(values_of(split(source_of(values, labelled=False), "test"))) == set(
        sorted_by_digest(values)[: len(set(b))]
    )
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert set(values_of(split(source_of(shuffled, labelled=False), "test"))) == set(
        sorted_by_digest(values)[: len(set(b))]
    )


def test_split_is_the_same_for_ever():
    """These very numbers: a change would move samples from the test side to the training side of users' runs."""
    assert values_of(split(source_of(list(range(20)), labelled=False), "test")) == [10, 16, 18, 19]
    assert values_of(split(source_of(list(range(20))), "test")) == [5, 16, 18, 19]


def test_groups_stay_together():
    values, groups = list(range(100)), [i // 10 for i in range(100)]
    train, test = split(source_of(values, groups), "train"), split(source_of(values, groups), "test")
    assert len(test) == 20 and len(train) == 80
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


def test_draw():
    source = source_of(list(range(60)))
    few = draw(source, 9, seed=0)
    assert len(few) == 9 and np.bincount(few.labels).tolist() == [3, 3, 3]
    assert values_of(few) == sorted(values_of(few))  # the order of the source
    assert values_of(draw(source, 9, seed=1)) != values_of(few)
    assert set(values_of(draw(source, 3))) < set(values_of(few))
    assert draw(source, 60) is source
    assert draw(source, None) is source
    for limit in (0, -1):
        with pytest.raises(UserError, match="limit must be at least 1"):
            open_source(source, "all", limit=limit)


def test_draws_are_samples_of_every_class():
    labels = np.repeat([0, 1, 2, -1], [600, 300, 3, 97])
    for seed in range(3):
        order = drawn(labels, seed)
        assert sorted(order.tolist()) == list(range(1000))
        for size in (10, 100, 500):
            counts = np.bincount(labels[order[:size]] + 1, minlength=4)
            expected = size * np.array([0.097, 0.6, 0.3, 0.003])
            assert (np.abs(counts - expected) <= 2).all() and counts.min() >= 1
    unlabelled = drawn(np.full(1000, -1), 0)[:100]
    assert 350 < unlabelled.mean() < 650 and len(set((unlabelled // 100).tolist())) == 10


def test_a_limit_draws_from_the_side():
    source = source_of(list(range(50)))
    whole = values_of(open_source(source, "train"))
    few = values_of(open_source(source, "train", limit=5))
    assert len(few) == 5 and set(few) < set(whole) and few != whole[:5]
    assert few != values_of(open_source(source, "train", limit=5, seed=3))


def test_the_split_has_a_fifth_of_every_class():
    images = np.arange(500, dtype=np.uint16).view(np.uint8).reshape(500, 1, 2, 1)
    labels = np.repeat([0, 1, 2, 3, -1], [300, 100, 2, 1, 97])
    test = split_index(ArraySource(images, labels), "test")
    assert np.bincount(labels[test] + 1, minlength=5).tolist() == [20, 60, 20, 0, 0]
    assert len(split_index(ArraySource(images, np.arange(500)), "test")) == 100  # classes of one sample each


@pytest.mark.parametrize("sizes", [[10] * 6, [1, 30, 5, 4, 10, 10], [2, 2, 50, 2, 2, 2]])
def test_groups_are_split_by_class(sizes):
    """Each class of two groups or more is on both sides, and the test side has about a fifth."""
    groups = np.repeat(np.arange(6), sizes)
    images = np.arange(len(groups), dtype=np.uint8).reshape(-1, 1, 1, 1)
    source = ArraySource(images, groups % 2, groups=groups)
    train, test = split_index(source, "train"), split_index(source, "test")
    assert not set(groups[train]) & set(groups[test])
    assert set(source.labels[train]) == set(source.labels[test]) == {0, 1}
    assert len(test) <= len(groups) / 2


def test_a_single_group_cannot_be_split():
    with pytest.raises(UserError, match="of a single group cannot be split"):
        split(source_of(list(range(5)), [7] * 5), "train")


def test_joined():
    a, b = source_of([1, 2, 3], [0, 0, 1]), source_of([4, 5], [0, 1])
    both = Joined([a, b])
    batch = both.fetch(np.array([4, 0, 3, 2]))
    assert batch["image"][:, 0, 0, 0].tolist() == [5, 1, 4, 3]
    assert batch["label"].tolist() == [1, 0, 0, 2]
    assert batch["index"].tolist() == [4, 0, 3, 2]
    assert both.names(np.array([4, 0])) == ["1", "0"]
    assert Joined([a, b], ["x", "y"]).names(np.array([4, 0])) == ["y/1", "x/0"]
    assert both.groups.tolist() == [0, 0, 1, 2, 3]
    assert both.traits == {"channels": 1, "size": (4, 4)} and both.samples == "images"
    assert len(both.digests) == 5
    assert both.fingerprint != Joined([b, a]).fingerprint


def test_joined_of_different_sizes():
    small, large = ArraySource(np.zeros((2, 3, 3, 1), np.uint8)), ArraySource(np.ones((2, 5, 4, 1), np.uint8))
    batch = Joined([small, large]).fetch(np.array([0, 3]))
    assert [image.shape for image in batch["image"]] == [(3, 3, 1), (5, 4, 1)]
    assert Joined([small, large]).traits == {"channels": 1}  # what they share
