"""The alias table holds exactly the distribution that it was made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.errors import UserError
from selftaught.parts.alias import alias


def held(threshold, other):
    """The distribution that a table holds, summed slot by slot."""
    own = threshold / 2.0**32
    p = own.copy()
    np.add.at(p, other, 1 - own)
    return p / len(p)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.integers(1, 3).map(float)), min_size=1, max_size=60
    ).filter(any)
)
def test_a_table_holds_its_weights(weights):
    threshold, other = alias(np.array(weights))
    assert threshold.dtype == np.uint32
    assert other.dtype == np.int32
    assert other.min() >= 0
    assert other.max() < len(weights)
    np.testing.assert_allclose(held(threshold, other), np.array(weights) / sum(weights), atol=2e-9)


def test_a_million_words_by_zipf():
    weights = (1e7 / np.arange(1, 1_000_001)) ** 0.75
    np.testing.assert_allclose(held(*alias(weights)), weights / weights.sum(), rtol=1e-3, atol=1e-15)


def test_a_word_that_weighs_nothing_is_never_drawn():
    threshold, other = alias(np.array([3.0, 0.0, 1.0, 0.0]))
    assert (threshold[[1, 3]] == 0).all()
    assert not set(other) & {1, 3}


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0], [np.nan], [np.inf, 1.0], [[1.0]]])
def test_what_is_no_distribution_is_refused(weights):
    with pytest.raises(UserError, match="at least 0"):
        alias(np.array(weights))
