"""Labels that are put out of sight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.data.hidden import HiddenLabels, hide
from selftaught.data.image.arrays import ArraySource
from selftaught.errors import UserError


def source_of(labels: list[int], groups: bool = False) -> ArraySource:
    images = np.arange(len(labels) * 4, dtype=np.uint8).reshape(len(labels), 2, 2, 1)
    return ArraySource(
        images, np.array(labels), ("a", "b", "c"), groups=np.arange(len(labels)) // 2 if groups else None
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1, 2), min_size=12, max_size=60), st.integers(0, 50))
def test_few_stay_known_classes_alike_and_nested(labels: list[int], seed: int) -> None:
    labels = [0, 1, 2] * 4 + labels
    source = source_of(labels)
    kept = {}
    for budget in ("1/class", "4/class", "50%", "100%"):
        seen = hide(source, budget, seed).labels
        known = seen >= 0
        assert (seen[known] == source.labels[known]).all()
        kept[budget] = set(np.flatnonzero(known).tolist())
        assert np.array_equal(hide(source, budget, seed).labels, seen)
    assert kept["1/class"] <= kept["4/class"] <= kept["100%"] == set(np.flatnonzero(source.labels >= 0).tolist())
    assert np.bincount(source.labels[sorted(kept["4/class"])]).tolist() == [4, 4, 4]


def test_seeds_draw_differently() -> None:
    source = source_of([0, 1, 2] * 20)
    assert len({hide(source, "2/class", seed).labels.tobytes() for seed in range(10)}) > 8


def test_only_labels_are_hidden() -> None:
    source = source_of([0, 1, 2, 0, 1, 2], groups=True)
    hidden = HiddenLabels(source, np.array([1, 5]))
    assert hidden.labels.tolist() == [-1, 1, -1, -1, -1, 2]
    batch, whole = hidden.fetch(np.array([5, 0, 1])), source.fetch(np.array([5, 0, 1]))
    assert batch["label"].tolist() == [2, -1, 1]
    assert whole["label"].tolist() == [2, 0, 1]
    assert np.array_equal(batch["image"], whole["image"]) and batch["index"].tolist() == [5, 0, 1]
    for name in ("classes", "samples", "traits", "skipped"):
        assert getattr(hidden, name) == getattr(source, name), name
    assert np.array_equal(hidden.digests, source.digests) and np.array_equal(hidden.groups, source.groups)
    assert len(hidden) == 6 and hidden.labelled
    assert hidden.whole is source and source.whole is source
    with pytest.raises(IndexError):
        hidden.fetch(np.array([6]))


def test_what_was_kept_is_in_the_fingerprint() -> None:
    source = source_of([0, 1, 2] * 10)
    prints = {hide(source, labels, seed).fingerprint for labels in ("all", "2/class", "3/class") for seed in (0, 1)}
    assert len(prints) == 5  # all is the same whatever the seed
    assert hide(source, None, 0) is source and hide(source, "all", 3) is source


def test_what_is_not_there_cannot_be_kept() -> None:
    with pytest.raises(UserError, match="labels 3/class is more than the 2 labels of class 'b': use at most 2/class"):
        hide(source_of([0, 0, 0, 1, 1, 2, 2, 2]), "3/class", 0)
    with pytest.raises(UserError, match="labels 10% hides labels, but this data has none"):
        hide(source_of([-1] * 5), "10%", 0)
