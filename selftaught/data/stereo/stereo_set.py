"""A public data set of pairs: its description in the catalog, and how its parts are opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from selftaught.data.entry import Entry
from selftaught.data.stereo.source import Pairs


@final
@dataclass(frozen=True)
class StereoSet:
    """One data set of pairs of the catalog.

    Args:
        ENTRY: Its description in the catalog.
        cached: Whether nothing has to be downloaded.
        load: Opens the training or the test part.
    """

    ENTRY: Entry
    cached: Callable[[], bool]
    load: Callable[[Literal["train", "test"]], Pairs]

    parts: ClassVar[tuple[Literal["train", "test"], ...]] = ("train", "test")
    options: ClassVar[Mapping[str, Any]] = {}
