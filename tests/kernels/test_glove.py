from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftaught.kernels import glove as kernel


def tables(size: int, dim: int, seed: int = 0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    words, contexts = np.ones((2, size, 2, dim + 1), np.float32)
    words[:, 0], contexts[:, 0] = scale * rng.normal(size=(2, size, dim + 1))
    return words, contexts


def pairs(n: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, size, (2, n)).astype(np.int32)
    return first, second, rng.gamma(1, 20, n).astype(np.float32) + np.float32(0.1)


def naive(
    first: Any, second: Any, counts: Any, begin: int, end: int, both: bool, words: Any, contexts: Any,
    rate: float, x_max: float, power: float, clip: float,
) -> float:  # fmt: skip
    """AdaGrad in doubles, number by number."""
    total = 0.0
    for t in range(begin, end):
        i, j, x = int(first[t]), int(second[t]), float(counts[t])
        for a, b in [(i, j), (j, i)] if both and i != j else [(i, j)]:
            w, c = words[a], contexts[b]
            error = w[0, :-1] @ c[0, :-1] + w[0, -1] + c[0, -1] - math.log(x)
            f = min((x / x_max) ** power, 1)
            total += f * error**2 / 2
            slopes = (np.append(f * error * c[0, :-1], f * error), np.append(f * error * w[0, :-1], f * error))
            for table, slope in zip((w, c), slopes, strict=True):
                step = rate * np.clip(slope, -clip, clip)
                table[0] -= step / np.sqrt(table[1])
                table[1] += step**2
    return total


GIVEN: dict[str, Any] = {"both": True, "rate": 0.05, "x_max": 10.0, "power": 0.75, "clip": 100.0}


def run(
    function: Any, dim: int = 5, begin: int = 0, end: int = 300, **how: Any
) -> tuple[np.ndarray, np.ndarray, float]:
    told = GIVEN | how
    words, contexts = tables(12, dim, scale=dim**-0.5)
    if function is naive:
        words, contexts = words.astype(np.float64), contexts.astype(np.float64)
    loss = function(
        *pairs(300, 12),
        begin,
        end,
        told["both"],
        words,
        contexts,
        told["rate"],
        told["x_max"],
        told["power"],
        told["clip"],
    )
    return words, contexts, loss


@pytest.mark.parametrize("dim", [1, 5, 33, 100])
@pytest.mark.parametrize("how", [{}, {"both": False}, {"clip": 0.3}, {"rate": 0.2, "x_max": 100.0, "power": 0.5}])
def test_the_loop_is_adagrad(how: dict[str, Any], dim: int) -> None:
    fast, plain = run(kernel.train, dim, **how), run(naive, dim, **how)
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("how", [{"both": False}, {"rate": 0.1}, {"x_max": 20.0}, {"power": 0.5}, {"clip": 1.0}])
def test_every_argument_matters(how: dict[str, Any]) -> None:
    assert not np.allclose(run(kernel.train)[0], run(kernel.train, **how)[0], atol=1e-4)


def test_only_the_pairs_asked_for_are_visited() -> None:
    whole, before, part = run(kernel.train), run(kernel.train, end=100), tables(12, 5, scale=5**-0.5)
    for begin, end in ((0, 100), (100, 300)):
        kernel.train(*pairs(300, 12), begin, end, *part_arguments(part))
        if end == 100:
            assert np.array_equal(part[0], before[0])
    assert np.array_equal(part[0], whole[0]) and np.array_equal(part[1], whole[1])


def part_arguments(part: Any) -> tuple[Any, ...]:
    return True, *part, GIVEN["rate"], GIVEN["x_max"], GIVEN["power"], GIVEN["clip"]


def test_the_step_is_the_slope_of_the_loss() -> None:
    """Against finite differences in doubles, for every number of both rows: the first step divides by a root of 1."""
    words, contexts = tables(2, 6, scale=0.5)
    first, second, counts = np.array([0], np.int32), np.array([1], np.int32), np.array([4.0], np.float32)

    def loss(w: np.ndarray, c: np.ndarray) -> float:
        error = w[:-1] @ c[:-1] + w[-1] + c[-1] - math.log(4)
        return (4 / 10) ** 0.75 * error**2 / 2

    w, c = words[0, 0].astype(np.float64), contexts[1, 0].astype(np.float64)
    before = words.copy(), contexts.copy()
    assert kernel.train(first, second, counts, 0, 1, False, words, contexts, 0.01, 10.0, 0.75, 100.0) == pytest.approx(
        loss(w, c), rel=1e-5
    )
    h = 1e-5
    for k, one in enumerate(np.eye(7) * h):
        slope_w = (loss(w + one, c) - loss(w - one, c)) / (2 * h)
        slope_c = (loss(w, c + one) - loss(w, c - one)) / (2 * h)
        assert (before[0] - words)[0, 0, k] / 0.01 == pytest.approx(slope_w, rel=1e-3, abs=1e-4)
        assert (before[1] - contexts)[1, 0, k] / 0.01 == pytest.approx(slope_c, rel=1e-3, abs=1e-4)
    assert np.array_equal(words[1], before[0][1]) and np.array_equal(contexts[0], before[1][0])  # nothing else moved


@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6), st.floats(0.5, 1000), st.floats(0, 2))
def test_the_weight_grows_to_one(a: float, b: float, x_max: float, power: float) -> None:
    low, high = (kernel.weight.py_func(x, x_max, power) for x in sorted((a, b)))
    assert 0 < low <= high <= 1 or math.isclose(low, high)
    assert kernel.weight.py_func(x_max, x_max, power) == 1
    if a < x_max:
        assert kernel.weight.py_func(a, x_max, power) == pytest.approx((a / x_max) ** power)


def test_a_word_with_itself_is_visited_once() -> None:
    first = np.array([3], np.int32)
    once, twice = tables(12, 5), tables(12, 5)
    for both, part in ((False, once), (True, twice)):
        kernel.train(first, first, np.array([2.0], np.float32), 0, 1, both, *part, 0.05, 10.0, 0.75, 100.0)
    assert np.array_equal(once[0], twice[0])


def test_as_many_dimensions_as_words_fit_any_counts() -> None:
    size = 8
    first, second = (part.ravel().astype(np.int32) for part in np.meshgrid(np.arange(size), np.arange(size)))
    keep = first <= second
    first, second = first[keep], second[keep]
    counts = np.random.default_rng(3).gamma(1, 5, len(first)).astype(np.float32) + np.float32(0.1)
    words, contexts = tables(size, size, scale=0.1)
    losses = [
        kernel.train(first, second, counts, 0, len(first), True, words, contexts, 0.1, 1.0, 0.75, 100.0) / size**2
        for _ in range(4000)
    ]
    assert losses[0] > 0.3 and losses[-1] < 1e-4
