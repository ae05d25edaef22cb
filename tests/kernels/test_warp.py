from __future__ import annotations

import numpy as np
import pytest

from selftaught.kernels.warp import changed


@pytest.mark.parametrize("power", [0.25, 0.7, 1.0, 2.0, 4.0])
def test_powers_are_numpys(power: float) -> None:
    x = np.concatenate([np.linspace(0, 1, 10_001), [1e-30, 1e-8, 2.0**-20]]).astype(np.float32)
    found = x.copy()
    changed(found, power, 1.0, 0.0)
    np.testing.assert_allclose(found, x.astype(np.float64) ** power, atol=5e-6)
    shifted = x.copy()
    changed(shifted, power, 1.4, -0.1)
    np.testing.assert_allclose(shifted, (1.4 * x.astype(np.float64) ** power - 0.1).clip(0, 1), atol=7e-6)
