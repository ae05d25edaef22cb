"""A public set of images: what the catalog tells of it, and how its parts are opened."""

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
    """One image set of the catalog.

    Args:
        ENTRY: What the catalog tells about it.
        cached: Whether nothing has to be fetched.
        load: Opens the training or the test part, fetched first if it must be; the second argument is told how far it
            is.
    """

    ENTRY: Entry
    cached: Callable[[], bool]
    load: Callable[[Literal["train", "test"], Progress], ImageSource]

    parts: ClassVar[tuple[Literal["train", "test"], ...]] = ("train", "test")
    options: ClassVar[Mapping[str, Any]] = {}
