"""Read-only arrays for compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view of an array, like a memory-mapped array.

    numba compiles read-only arrays as another type. With this, arrays in memory and in files use the same compiled
    loop.
    """
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
