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
        drawn: What was asked of a larger set, if these images are the answer.
        of: The number of images in that set, readable or not; None = there is no larger set.
    """

    samples = "images"
    channels: int
    image_size: tuple[int, int] | None
    skipped: list[Skipped]
    drawn: Draw | None = None
    of: int | None = None

    @property
    def traits(self) -> Mapping[str, Any]:  # type: ignore[override]  # read-only, where Source has an attribute
        """``{"channels": C, "size": (height, width) or None}``."""
        return {"channels": self.channels, "size": self.image_size}
