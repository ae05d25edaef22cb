"""Generated images from which any image method should learn something within seconds."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from selftaught.source import Index, Labels, Raw, Source

SIDE = 16
VARIANTS: tuple[dict[str, Any], ...] = ({"channels": 3},)
"""Arguments of `source` and `seen` for other toys that a method should accept."""


@final
class Blobs(Source):
    """Images of a bright blob on noise, lit from above. The class is the quadrant of the blob."""

    samples = "images"
    classes = ("upper left", "upper right", "lower left", "lower right")

    def __init__(self, n: int = 96, size: int = SIDE, channels: int = 1, seed: int = 0, labelled: bool = True) -> None:
        rng = np.random.default_rng(seed)
        self._labels = rng.integers(0, 4, n) if labelled else np.full(n, -1)
        y, x = np.mgrid[0:size, 0:size] / size
        centre = np.stack([self._labels // 2, self._labels % 2], 1) * 0.5 + rng.uniform(0.1, 0.4, (n, 2))
        blob = np.exp(-((y - centre[:, :1, None]) ** 2 + (x - centre[:, 1:, None]) ** 2) / 0.02)
        tint = rng.uniform(0.3, 1.0, (n, 1, 1, channels))
        light = 60 * (1 - y)[None, :, :, None]
        self.images = (blob[..., None] * tint * 150 + light + rng.uniform(0, 40, (n, size, size, channels))).astype(
            np.uint8
        )
        self.traits = {"channels": channels, "size": (size, size)}

    def __len__(self) -> int:
        return len(self.images)

    def fetch(self, index: Index) -> Raw:
        """See `Source.fetch`."""
        return {"image": self.images[index], "label": self._labels[index], "index": index}

    @property
    def labels(self) -> Labels:
        """int64 [N]: the quadrant, or -1."""
        return self._labels.astype(np.int64)


def source(n: int = 96, seed: int = 0, channels: int = 1) -> Source:
    """Return n images; another seed gives different ones."""
    return Blobs(n, channels=channels, seed=seed)


def seen(channels: int = 1) -> dict[str, Any]:
    """Return the description of the input for an encoder."""
    return {"kind": "image", "size": SIDE, "channels": channels, "mean": [0.4] * channels, "std": [0.25] * channels}
