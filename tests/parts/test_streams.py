from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import Blobs

from selftaught.errors import UserError
from selftaught.parts.streams import Streams, classes_of, visits


def labels(known: int, n: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(np.where(np.arange(n) < known, np.arange(n) % 3, -1))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 80),
    st.sampled_from([0.1, 0.25, 0.5, 2 / 3]),
    st.integers(1, 20),
    st.integers(0, 9),
)
def test_every_batch_holds_the_share_and_both_streams_are_visited(
    known: int, without: int, share: float, size: int, epoch: int
) -> None:
    y = labels(known, known + without)
    streams = Streams(y, share)
    order = streams.order(epoch, 3)
    assert streams.part == share
    assert np.array_equal(order, streams.order(epoch, 3))
    for start in range(len(order) - size + 1):
        there = (y[order[start : start + size]] >= 0).sum()
        assert np.floor(share * size - 1e-6) <= there <= np.ceil(share * size + 1e-6)
    more = []
    for stream in (streams.with_label, streams.without):
        times = np.bincount(order, minlength=len(y))[stream]
        assert times.min() >= 1 and np.ptp(times) <= 1  # permutation after permutation
        more.append(times.sum() - len(stream))
    assert min(more) <= 1  # the longer stream is visited once, but for rounding


def test_with_few_labels_an_epoch_is_over_the_unlabelled() -> None:
    y = labels(10, 610)
    order = Streams(y, 0.25).order(0, 0)
    assert len(order) == 800
    assert sorted(order[y[order] < 0].tolist()) == np.flatnonzero(y < 0).tolist()
    assert np.bincount(order, minlength=610)[y >= 0].tolist() == [20] * 10


def test_orders_are_random() -> None:
    streams = Streams(labels(10, 50), 0.25)
    assert len({streams.order(epoch, seed).tobytes() for epoch in range(5) for seed in range(5)}) == 25


@pytest.mark.parametrize(("known", "share", "part"), [(20, 0.0, 0.2), (100, 0.25, 1.0), (0, 0.25, 0.0)])
def test_one_stream_is_a_permutation(known: int, share: float, part: float) -> None:
    streams = Streams(labels(known, 100), share)
    assert sorted(streams.order(1, 2).tolist()) == list(range(100))
    assert streams.part == part


def test_visits() -> None:
    samples = np.array([3, 5, 9])
    seen = visits(samples, 8, 0, 0)
    assert len(seen) == 8 and sorted(seen[:3]) == sorted(seen[3:6]) == [3, 5, 9]
    assert visits(samples, 8, 0, 0).tolist() == seen.tolist()
    assert len({visits(samples, 8, 0, 0, stream).tobytes() for stream in range(6)}) > 3
    assert len(visits(samples, 0, 0, 0)) == 0


def test_classes_are_those_that_the_source_knows() -> None:
    assert classes_of(Blobs(8), "x") == 4
    with pytest.raises(UserError, match="x needs labels and this data has none"):
        classes_of(Blobs(8, labelled=False), "x")
