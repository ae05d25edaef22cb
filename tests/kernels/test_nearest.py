from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.kernels.nearest import STEP, largest, products


def test_products_are_those_of_the_rows_that_were_named() -> None:
    rng = np.random.default_rng(0)
    memory, query = rng.normal(size=(50, 33)).astype(np.float32), rng.normal(size=(4, 33)).astype(np.float32)
    index = rng.integers(0, 50, (4, 7))
    np.testing.assert_allclose(
        products(memory, query, index), np.einsum("bcd,bd->bc", memory[index], query), rtol=1e-4, atol=1e-5
    )
    assert products(memory, query, index[:, :0]).shape == (4, 0)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 400), part=st.floats(0, 1), values=st.integers(1, 1000), seed=st.integers(0, 99))
def test_the_largest_are_those_of_sorting_with_the_first_of_equal_ones(
    n: int, part: float, values: int, seed: int
) -> None:
    x = np.random.default_rng(seed).integers(0, values, (3, n)).astype(np.float32)
    count = max(1, round(part * n))
    found, least = largest(x, count)
    for row, places, last in zip(x, found, least, strict=True):
        assert places.tolist() == sorted(np.argsort(-row, kind="stable")[:count].tolist())
        assert last == np.sort(row)[-count]


def test_the_largest_are_found_where_a_sample_of_the_entries_misleads() -> None:
    x = np.zeros((2, 100 * STEP), np.float32)
    x[0, ::STEP] = 1  # all of the sample is large, and nothing else
    x[1] = 1
    x[1, ::STEP] = 0  # the other way round
    x[1, -1] = 2
    found, least = largest(x, 300)
    assert set(range(0, 100 * STEP, STEP)) <= set(found[0].tolist()) and least[0] == 0
    assert len(set(found[0].tolist())) == 300
    assert 100 * STEP - 1 in found[1] and least[1] == 1


def test_entries_of_minus_infinity_are_the_last() -> None:
    x = np.full((1, 200), -np.inf, np.float32)
    x[0, 7] = 0
    found, least = largest(x, 2)
    assert found.tolist() == [[0, 7]] and least[0] == -np.inf
