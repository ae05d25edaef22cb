from __future__ import annotations

import numpy as np

from selftaught.kernels.nearest import products


def test_products_are_those_of_the_rows_that_were_named() -> None:
    rng = np.random.default_rng(0)
    memory, query = rng.normal(size=(50, 33)).astype(np.float32), rng.normal(size=(4, 33)).astype(np.float32)
    index = rng.integers(0, 50, (4, 7))
    np.testing.assert_allclose(
        products(memory, query, index), np.einsum("bcd,bd->bc", memory[index], query), rtol=1e-4, atol=1e-5
    )
    assert products(memory, query, index[:, :0]).shape == (4, 0)
