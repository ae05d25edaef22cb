from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from selftaught.data import open_source
from selftaught.data.stereo import toy
from selftaught.data.stereo.source import Pair, Pairs
from selftaught.errors import UserError
from selftaught.evaluate import depth
from selftaught.method import SeesDepth


@final
class Guess(nn.Module):
    """Finds what is drawn: the brightness of the left picture, as a part of the width."""

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.encoder: Any = nn.Module()
        self.encoder.spec = {"input": {"kind": "stereo", "size": size, "channels": 1, "mean": [0.0], "std": [1.0]}}
        self.seen: list[tuple[int, ...]] = []

    def disparity(self, left: Tensor, right: Tensor) -> Tensor:
        self.seen.append(tuple(left.shape))
        return left[:, 0]


def source_of(*pairs: Pair) -> Pairs:
    sizes = np.array([pair.left.shape[:2] for pair in pairs], np.int64)
    return Pairs(lambda i: pairs[i], sizes, 1, any(pair.disparity is not None for pair in pairs))


def flat(height: int, width: int, value: int = 51, disparity: Any = None, offset: float = float("nan")) -> Pair:
    picture = np.full((height, width, 1), value, np.uint8)
    return Pair(picture, picture, disparity, offset)


def found(method: Any, source: Pairs) -> list[Any]:
    return list(depth.disparities(method, source))


def test_a_disparity_is_in_pixels_of_the_picture_as_it_is() -> None:
    method = Guess()
    assert isinstance(method, SeesDepth)
    for side in (8, 24, 5):
        (one,) = found(method, source_of(flat(side, side)))
        assert one.shape == (side, side) and one.dtype == np.float32
        np.testing.assert_allclose(one, 0.2 * side, rtol=1e-5)
    assert method.seen == [(1, 1, 8, 8)] * 3


def test_a_wide_picture_is_seen_in_squares_that_overlap() -> None:
    method = Guess()
    (wide,), (high,) = found(method, source_of(flat(10, 33))), found(method, source_of(flat(33, 10)))
    np.testing.assert_allclose(wide, 2, rtol=1e-5)  # a part of the square's width, not of the picture's
    np.testing.assert_allclose(high, 2, rtol=1e-5)
    assert method.seen[0][0] == 6  # every 4.6 pixels, at least half of 10
    ramp = np.zeros((10, 40, 1), np.uint8)
    ramp[:, 20:] = 102
    (one,) = found(Guess(10), source_of(Pair(ramp, ramp)))
    assert one[:, :15].max() == 0 and np.allclose(one[:, 25:], 4, rtol=1e-5) and (np.diff(one, axis=1) >= -1e-6).all()


def test_what_finds_no_disparities_is_refused() -> None:
    with pytest.raises(UserError, match="Linear finds no disparities: use a run of monodepth"):
        next(depth.disparities(nn.Linear(1, 1), toy.source(1)))  # type: ignore[arg-type]


def test_numbers_that_are_not_finite_are_refused() -> None:
    method = Guess()
    method.disparity = lambda left, right: left[:, 0] * torch.nan  # type: ignore[method-assign]
    with pytest.raises(UserError, match="not finite: the method diverged"):
        found(method, source_of(flat(8, 8)))


def test_errors_are_means_over_known_pixels_of_all_pairs() -> None:
    first, second = np.full((8, 8), 10.0, np.float32), np.full((8, 8), np.nan, np.float32)
    second[0, :4] = 100
    source = source_of(flat(8, 8, disparity=first, offset=10.0), flat(8, 8, disparity=second), flat(8, 8))
    guesses = [np.full((8, 8), value, np.float32) for value in (12.5, 104.0, 0.0)]
    guesses[0][0] = 14
    scores = depth.errors(iter(guesses), source)
    off = np.array([2.5] * 56 + [4.0] * 8 + [4.0] * 4)
    assert scores["abs"] == pytest.approx(off.mean())
    assert scores["rmse"] == pytest.approx(np.sqrt((off**2).mean()))
    assert scores["bad"] == 100.0
    assert scores["d1"] == pytest.approx(100 * 8 / 68)  # 4 of 100 is less than 5%
    assert scores["abs_rel"] == pytest.approx((56 * (1 - 20 / 22.5) + 8 * (1 - 20 / 24)) / 64, rel=1e-5)
    without = depth.errors(iter(guesses[1:2]), source_of(flat(8, 8, disparity=second)))
    assert "abs_rel" not in without and without["abs"] == 4
    with pytest.raises(UserError, match="the disparity of no test pair is known"):
        depth.errors(iter(guesses[:1]), source_of(flat(8, 8)))


def test_the_constant_is_the_median_of_what_is_known() -> None:
    known = np.full((8, 8), np.nan, np.float32)
    known[0, :5] = [1, 2, 30, 40, 50]
    assert depth.median(source_of(flat(8, 8, disparity=known), flat(8, 8))) == 30
    assert [one[0, 0] for one in depth.constant(3.5, toy.source(2))] == [3.5, 3.5]
    with pytest.raises(UserError, match="the disparity of no training pair is known"):
        depth.median(source_of(flat(8, 8)))


def test_what_matching_leaves_open_is_filled_with_the_background() -> None:
    nan = np.nan
    values = np.array([[nan, 3, nan, 1, nan], [nan] * 5], np.float32)
    np.testing.assert_array_equal(depth.filled(values), [[3, 3, 1, 1, 1], [0] * 5])


def test_matching_finds_a_rendered_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    wall = np.random.default_rng(0).integers(0, 256, (48, 86, 3), np.uint8)
    pair = Pair(wall[:, :80], np.ascontiguousarray(wall[:, 6:]), np.full((48, 80), 6, np.float32))
    source = Pairs(lambda i: pair, np.array([[48, 80]]), 3, True)
    guesses: Iterator[Any] | None = depth.matched(source, 12)
    assert guesses is not None
    assert depth.errors(guesses, source)["abs"] < 0.3
    monkeypatch.setattr(depth, "find_spec", lambda name: None)
    assert depth.matched(source, 12) is None


def test_pictures_narrower_than_the_search_are_matched_too() -> None:
    pytest.importorskip("cv2")
    source = toy.source(2)
    guesses = depth.matched(source, 4)  # OpenCV searches at least 16 pixels, as wide as these are
    assert guesses is not None and [one.shape for one in guesses] == [(16, 16)] * 2


def test_the_bundled_pair_is_matched_better_than_a_constant() -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("skimage")
    source = open_source("motorcycle", "test", 2)
    guesses = depth.matched(source, 60)
    assert guesses is not None
    both, one = depth.errors(guesses, source), depth.errors(depth.constant(30.0, source), source)
    assert both["abs"] < one["abs"] and both["d1"] < one["d1"]
