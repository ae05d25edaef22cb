"""Arrays as compiled loops should be given them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A view that cannot be written to, as memory-mapped arrays are.

    To the compiler that is another type than one that can.

    So that what comes from memory and what comes from a file meet the same compiled loop.
    """
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
