"""The kind "stereo": pairs of pictures of two eyes side by side, rectified."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from selftaught.data import channels
from selftaught.data.stereo import pairs
from selftaught.data.subset import Draw
from selftaught.errors import UserError, expanded
from selftaught.kind import Kind, Progress, Split, silent
from selftaught.source import Raw, Source, evenly

LARGEST_SIDE = 64
"""Side of the encoder's input in pixels, unless `size` is given or the pictures are smaller."""
SAMPLES = 512
"""Number of pairs from which the mean and the standard deviation of each channel are estimated."""


@final
class Stereo(Kind):
    """Pairs of pictures, uint8 [2, H, W, C]: left and right. An encoder sees one eye, as it sees an image.

    Args:
        size: Height and width of the encoder's input in pixels. By default the shortest side of the pictures, at most
            64.
        disparity_scale: Numbers of a PNG of disparities for each pixel of disparity. By default 256 for 16 bits, as in
            KITTI's files; 0 is unknown.
    """

    samples = "stereo pairs"
    network = "conv"
    like = "image"

    def __init__(self, size: int | None = None, disparity_scale: float | None = None) -> None:
        if size is not None and size < 8:
            raise UserError(f"size must be at least 8, not {size}")
        if disparity_scale is not None and not 0 < disparity_scale < float("inf"):
            raise UserError(f"disparity_scale must be above 0, not {disparity_scale}")
        self.size, self.disparity_scale = size, disparity_scale
        self._asked = True  # the options are a user's, who is told of one without an effect, not a run's

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Accept folders with pairs, .npz files with the arrays left and right, and dicts of them."""
        if isinstance(data, str | Path):
            return _holds_pairs(expanded(data))
        return isinstance(data, Mapping) and {"left", "right"} <= data.keys()

    def open(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None
    ) -> Source:
        """See `Kind.open`. Pairs have no labels."""
        from selftaught.data.stereo.opening import How, open_stereo

        if limit is not None and limit < 1:
            raise UserError(f"limit must be at least 1, not {limit}")
        if labels is not None:
            raise UserError("pairs of pictures have no labels: leave out labels")
        how = How(self.disparity_scale, self.groups, progress, self._asked)
        return open_stereo(data, Draw(limit, self.seed, split), how)

    def input(self, source: Source) -> dict[str, Any]:
        """Return the side in pixels, the channels, and the mean and deviation of each channel (full brightness = 1)."""
        batch = source.fetch(np.arange(1))["stereo"]
        smallest = int(source.traits.get("smallest", min(batch[0].shape[1:3])))
        size = self.size or min(smallest, LARGEST_SIDE)
        mean, std = statistics(source)
        return {"kind": self.name(), "size": size, "channels": len(mean), "mean": mean, "std": std}

    def judged(self, source: Source) -> bool:
        """Return whether the disparity of some pairs is known."""
        return bool(source.traits.get("truth"))

    @classmethod
    def reading(cls, input: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Return the options of reading, but no size: the views resize."""
        kind = cls(**{key: value for key, value in options.items() if key != "size"})
        kind._asked = False
        return kind

    @classmethod
    def alike(cls, raw: Raw) -> Raw:
        """Return images as left eyes without a right one."""
        left = [image[None] for image in raw["image"]]
        return {"stereo" if key == "image" else key: left if key == "image" else raw[key] for key in raw}

    @classmethod
    def fits(cls, input: Mapping[str, Any], source: Source, where: str) -> None:
        """Raises UserError if the pictures have a different number of channels from the encoder's input."""
        channels.fit(input, source, where, "pictures")

    @classmethod
    def tell(cls, source: Source) -> dict[str, Any]:
        """Return pairs, size, channels, whether disparities are known, and the fingerprint."""
        return {
            "samples": len(source), "image_size": source.traits.get("size"), "channels": source.traits.get("channels"),
            "disparity": "known" if source.traits.get("truth") else "not known", "fingerprint": source.fingerprint,
        }  # fmt: skip


def statistics(source: Source) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel over both eyes, in [0, 1]; pairs have equal weights."""
    index = evenly(len(source), SAMPLES)
    parts = np.array_split(index, -(-len(index) // 32))
    return channels.statistics(pair for part in parts for pair in source.fetch(part)["stereo"])


def _holds_pairs(path: Path) -> bool:
    try:
        if path.is_dir():
            return pairs.looks_like(path)
        if path.suffix.lower() == ".npz" and path.is_file():
            from selftaught.data.numpy_arrays import headers

            return {"left", "right"} <= (headers(path) or {}).keys()
    except OSError:
        pass
    return False
