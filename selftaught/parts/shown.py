"""What a person can be shown of samples: pictures, curves, sounds and tables.

The report draws them; a kind and a method make them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray


@final
@dataclass(frozen=True)
class Pictures:
    """A row of pictures.

    Args:
        name: What the row is called.
        images: uint8 [H, W, C] each.
    """

    name: str
    images: Sequence[NDArray[np.uint8]]


@final
@dataclass(frozen=True)
class Curves:
    """A row of small line charts, such as the channels of a sensor over time.

    Args:
        name: What the row is called.
        curves: float [C, T] each: C lines of T points.
    """

    name: str
    curves: Sequence[NDArray[np.floating[Any]]]


@final
@dataclass(frozen=True)
class Sounds:
    """A row of sounds to play.

    Args:
        name: What the row is called.
        waves: float [T] each, in [-1, 1].
        rate: Points a second.
    """

    name: str
    waves: Sequence[NDArray[np.floating[Any]]]
    rate: int


@final
@dataclass(frozen=True)
class Table:
    """A table with a title.

    Args:
        name: The title.
        columns: Names of the columns.
        rows: As many cells each as there are columns: text, numbers or None.
    """

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | None]]


Shown = Pictures | Curves | Sounds | Table
