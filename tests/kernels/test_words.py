"""What the loops over words share, against closed forms."""

import numpy as np
import pytest
from numba import njit
from scipy.special import expit
from scipy.stats import chisquare

from selftaught.kernels.words import (
    begin,
    below,
    draw,
    following,
    keep_thresholds,
    kept,
    logistic_loss,
    mix,
    sigmoid,
    sigmoid_table,
)
from selftaught.parts.alias import alias

N = 200_000


@njit
def raws(state, n):
    out = np.empty(n, np.uint64)
    for i in range(n):
        state = following(state)
        out[i] = mix(state)
    return out


@njit
def draws(threshold, other, state, n):
    out = np.empty(n, np.int64)
    for i in range(n):
        state = following(state)
        out[i] = draw(threshold, other, mix(state))
    return out


@njit
def survivors(keep, word, state, n):
    count = 0
    for _ in range(n):
        state = following(state)
        count += kept(keep, word, mix(state))
    return count


@njit
def numbers(n, state, size):
    out = np.empty(size, np.int64)
    for i in range(size):
        state = following(state)
        out[i] = below(mix(state), n)
    return out


@njit
def logistic(table, scores):
    out = np.empty(scores.size, np.float32)
    for i in range(scores.size):
        out[i] = sigmoid(table, scores[i])
    return out


@njit
def states(seed, epoch, positions):
    out = np.empty(positions.size, np.uint64)
    for i in range(positions.size):
        out[i] = begin(seed, epoch, positions[i])
    return out


def test_the_generator_is_splitmix64():
    # The first outputs of the public reference for the seed 1234567
    assert list(raws(np.uint64(1234567), 3)) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_every_sentence_has_numbers_of_its_own():
    at = np.arange(1000)
    found = np.concatenate([states(0, 0, at), states(0, 1, at), states(1, 0, at)])
    assert len(np.unique(found)) == 3000
    streams = np.array([raws(s, 8) for s in found[:1000]])
    assert len(np.unique(streams)) == 8000
    ones = np.unpackbits(streams.view(np.uint8)).mean()
    assert abs(ones - 0.5) < 0.005


@pytest.mark.parametrize("n", [1, 3, 5, 1000])
def test_integers_are_uniform(n):
    count = np.bincount(numbers(n, states(3, 1, np.array([7]))[0], N), minlength=n)
    assert count.size == n
    assert chisquare(count).pvalue > 1e-4 if n > 1 else count[0] == N


def test_draws_follow_the_counts_to_the_power():
    counts = np.array([5000, 900, 300, 300, 40, 7, 1])
    weights = counts**0.75
    count = np.bincount(draws(*alias(weights), np.uint64(11), N), minlength=7)
    assert chisquare(count, N * weights / weights.sum()).pvalue > 1e-4
    assert chisquare(count, N * counts / counts.sum()).pvalue < 1e-9


def test_frequent_words_are_dropped_by_the_formula():
    counts = np.array([400_000, 100_000, 2618, 1000, 1])
    t, f = 1e-3, counts / counts.sum()
    keep = keep_thresholds(counts, t)
    expected = np.minimum(1, (np.sqrt(f / t) + 1) * t / f)
    np.testing.assert_allclose((keep + 1.0) / 2**32, expected, rtol=1e-6)
    assert (keep[f <= 2.6 * t] == 2**32 - 1).all()
    for word in range(5):
        seen = survivors(keep, word, np.uint64(word), N)
        assert abs(seen - N * expected[word]) <= 5 * np.sqrt(N * expected[word] * (1 - expected[word]))


def test_without_subsampling_all_stay():
    keep = keep_thresholds(np.array([10**6, 1]), 0.0)
    assert survivors(keep, 0, np.uint64(0), N) == N
    assert (keep_thresholds(np.array([10**6, 10]), 1e-5) <= keep).all()


def test_the_logistic_table_is_the_logistic_function():
    table = sigmoid_table()
    scores = np.linspace(-5.999, 5.999, 10_001).astype(np.float32)
    np.testing.assert_allclose(logistic(table, scores), expit(scores), atol=1.5e-3)
    far = np.array([-np.inf, -1e30, -50, -6.02, 6.02, 50, 1e30, np.inf], np.float32)
    np.testing.assert_array_equal(logistic(table, far), [0, 0, 0, 0, 1, 1, 1, 1])


def test_the_loss_of_a_score():
    scores = np.array([-800.0, -3.0, 0.0, 0.5, 800.0])
    np.testing.assert_allclose([logistic_loss(s, True) for s in scores], np.logaddexp(0, -scores))
    np.testing.assert_allclose([logistic_loss(s, False) for s in scores], np.logaddexp(0, scores))
