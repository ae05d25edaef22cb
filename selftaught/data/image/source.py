"""The base class of image sources: sizes and channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.subset import Draw
from selftaught.source import Skipped, Source

Pixels = NDArray[np.uint8]


class ImageSource(Source):
    """Images as uint8, all with the same number of channels.

    Subclasses fetch ``{"image": uint8 [B, H, W, C], or a list of uint8 [H, W, C] if sizes differ, "label": int64 [B],
    "index": int64 [B]}``.

    Attributes:
        channels: C, the same for every image.
        image_size: (height, width) in pixels, or None if sizes differ.
        skipped: What could not be read, each as ``{"path": ..., "reason": ...}``.
        reading: How the pixels were read, where it is not by default: the range that was decided, bands, pages. Read
            with these options, other images fit the same encoder.
        drawn: What was asked of a larger set, if these images are the answer.
        of: The number of images in that set, readable or not; None = there is no larger set.
    """

    samples = "images"
    channels: int
    image_size: tuple[int, int] | None
    skipped: list[Skipped]
    reading: Mapping[str, Any] = {}
    drawn: Draw | None = None
    of: int | None = None

    @property
    def traits(self) -> Mapping[str, Any]:  # type: ignore[override]  # read-only, where Source has an attribute
        """``{"channels": C, "size": (height, width) or None}``, and "reading" where it is not by default."""
        return {"channels": self.channels, "size": self.image_size} | (
            {"reading": self.reading} if self.reading else {}
        )

    @property
    def form(self) -> str:
        """Channels, size and reading, as part of the fingerprint."""
        return repr((self.channels, self.image_size)) + (repr(sorted(self.reading.items())) if self.reading else "")
