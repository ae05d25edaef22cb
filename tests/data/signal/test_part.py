from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.data.signal.part import ended
from selftaught.errors import UserError

NAN = np.nan


def opened(series: Any, **options: Any) -> Any:
    return open_source(series, "all", kind="signal", **options)


def test_missing_and_infinite_numbers_are_skipped_and_counted() -> None:
    rows = np.arange(40, dtype=np.float32).reshape(5, 8)
    rows[1, 3], rows[3, 0] = NAN, np.inf
    source = opened(rows, labels=[0, 1, 2, 3, 4])
    assert source.labels.tolist() == [0, 2, 4] and source.names(np.arange(3)) == ["0", "2", "4"]
    assert [(one["path"], one["reason"]) for one in source.skipped] == [
        ("row 1", "sample 3 is missing (NaN)"),
        ("row 3", "sample 0 is inf"),
    ]
    assert source.fetch([1])["signal"].tolist() == [[rows[2].tolist()]]


def test_nan_at_the_end_is_no_part_of_a_series() -> None:
    """Archives pad series of unequal length with it."""
    rows = np.arange(24, dtype=np.float64).reshape(2, 2, 6)
    rows[0, :, 4:] = NAN
    source = opened(rows)
    assert [one.shape for one in source.fetch([0, 1])["signal"]] == [(2, 4), (2, 6)] and not source.skipped
    rows[0, 0, 5] = 1  # one channel goes on: what the other lacks is missing
    assert opened(rows).skipped[0]["reason"] == "sample 4 is missing (NaN)"
    assert ended(np.full((2, 3), NAN)).shape == (2, 0)


def test_single_samples_and_other_channels_are_skipped_and_counted() -> None:
    series = [np.ones((2, 5)), np.ones((2, 1)), np.ones((3, 5)), np.zeros((2, 7)), np.ones((2, 0))]
    source = opened(series, channel_axis="first")
    assert len(source) == 2 and source.traits == {"channels": 2, "shortest": 5, "longest": 7}
    assert [one["reason"] for one in source.skipped] == [
        "1 sample: a series needs at least 2",
        "3 channels, not 2 as most have",
        "0 samples: a series needs at least 2",
    ]


def test_nothing_usable_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"array: no series in it can be used \(row 0: sample 0 is missing"):
        opened(np.array([[NAN, 1.0, 2.0]]))
    with pytest.raises(UserError, match=r"no series in it can be used .*1 sample: a series needs at least 2"):
        opened(np.ones((3, 1, 1)))


def test_an_array_stays_where_it_is(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", np.zeros((6, 3, 20), np.int16))
    source = opened(tmp_path / "x.npy")
    assert np.shares_memory(source._series, source._series.base) and isinstance(source._series, np.memmap)
    assert source.fetch([5])["signal"].dtype == np.float32
