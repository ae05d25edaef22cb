"""Waves of three frequencies, made on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.entry import Entry
from selftaught.data.series.toy import CLASSES, waves
from selftaught.source import Labels

KIND, NAMES = "series", ("waves",)


@final
class Waves:
    """The one set of this kind."""

    ENTRY: ClassVar[Entry] = Entry(
        "waves",
        "sines of three frequencies",
        "600 series of 64 numbers",
        CLASSES,
        "none",
        "made on the spot",
        kind=KIND,
    )
    parts: ClassVar[tuple[str, ...]] = ("train", "test")
    options: ClassVar[Mapping[str, Any]] = {}

    def cached(self) -> bool:
        """Nothing is ever fetched."""
        return True

    def made(self) -> tuple[NDArray[np.float32], Labels, tuple[str, ...]]:
        """Rows, labels, names of the classes."""
        return (*waves(600, 7, 64), CLASSES)


SETS = {"waves": Waves()}
