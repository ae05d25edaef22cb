"""The counter-based generator against numpy's own."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.kernels.random import block, uniforms

WORD = st.integers(0, 2**64 - 1)


@settings(deadline=None)
@given(key=st.tuples(WORD, WORD), counter=st.tuples(st.integers(1, 2**64 - 1), WORD, WORD, WORD))
def test_a_block_has_the_bits_of_numpys_philox(key, counter):
    before = np.array([counter[0] - 1, *counter[1:]], np.uint64)
    numpys = np.random.Philox(key=np.array(key, np.uint64), counter=before).random_raw(4)
    assert list(block(*(np.uint64(word) for word in key + counter))) == list(numpys)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1),
    index=st.integers(0, 2**62),
    epoch=st.integers(0, 2**40),
    draw=st.integers(0, 99),
    n=st.integers(1, 41),
)
def test_uniforms_are_numpys_whatever_else_is_in_the_batch(seed, index, epoch, draw, n):
    found = uniforms(seed, 5, np.array([3, index]), epoch, np.array([draw, draw + 1]), n)
    generator = np.random.Generator(np.random.Philox(key=[seed, 5], counter=[0, index, epoch, draw]))
    numpys = generator.random(n)
    np.testing.assert_array_equal(found[1, 0], numpys)
    single = uniforms(seed, 5, np.array([index]), epoch, np.array([draw]), n, np.float32)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single[0, 0], numpys.astype(np.float32))


def test_no_two_places_share_their_numbers():
    one = uniforms(0, 1, np.arange(50), 0, np.arange(4), 3)
    other = uniforms(0, 2, np.arange(50), 0, np.arange(4), 3)
    assert len(np.unique(np.concatenate([one.ravel(), other.ravel()]))) == 2 * 50 * 4 * 3
