"""A public image data set: its description in the catalog, and how its parts are opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from selftaught.data.entry import Entry
from selftaught.data.image.source import ImageSource
from selftaught.kind import Progress


@final
@dataclass(frozen=True)
class ImageSet:
    """One image data set of the catalog.

    Args:
        ENTRY: Its description in the catalog.
        cached: Whether nothing has to be downloaded.
        load: Opens the training or the test part, and downloads it first if necessary. The second argument is called
            with the progress.
    """

    ENTRY: Entry
    cached: Callable[[], bool]
    load: Callable[[Literal["train", "test"], Progress], ImageSource]

    parts: ClassVar[tuple[Literal["train", "test"], ...]] = ("train", "test")
    options: ClassVar[Mapping[str, Any]] = {}
