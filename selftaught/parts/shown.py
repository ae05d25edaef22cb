"""Types for samples in a form that a person can look at: pictures, curves, sounds and tables.

A kind or a method creates them; the report draws them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@final
@dataclass(frozen=True)
class Pictures:
    """A row of pictures.

    Args:
        name: Title of the row.
        images: uint8 [H, W, C] each.
        notes: A few words below each picture, such as what was guessed; none if empty.
    """

    name: str
    images: Sequence[NDArray[np.uint8]]
    notes: Sequence[str] = ()


@final
@dataclass(frozen=True)
class Curves:
    """A row of small line charts, such as the channels of a sensor over time.

    Args:
        name: Title of the row.
        curves: float [C, T] each: C lines of T points.
    """

    name: str
    curves: Sequence[NDArray[np.floating[Any]]]


@final
@dataclass(frozen=True)
class Sounds:
    """A row of sounds to play.

    Args:
        name: Title of the row.
        waves: float [T] each, in [-1, 1].
        rate: Sampling rate in Hz.
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
        rows: Rows with one cell per column: text, numbers or None.
    """

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | None]]


Shown = Pictures | Curves | Sounds | Table


@runtime_checkable
class Pictured(Protocol):
    """A source of a method's units, as its views bind them, that can show what it has found in the data: tracks."""

    def pictures(self, count: int) -> Sequence[Pictures]:
        """Return rows of `count` pictures."""
