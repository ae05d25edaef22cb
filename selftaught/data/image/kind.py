"""The kind "image": images of any size, in colour, grey, or with any number of channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import hub
from selftaught.data.folders import LOOKED_AT
from selftaught.data.image.columns import is_image
from selftaught.errors import UserError
from selftaught.kind import Kind, Progress, Split, silent
from selftaught.source import Source, evenly

LARGEST_SIDE = 96
"""Images of one size up to this many pixels keep their size. All others are resized to it unless `size` is given."""
SAMPLES = 2048
"""Number of samples from which the mean and the standard deviation of each channel are estimated."""


@final
class Image(Kind):
    """Images, uint8 [H, W, C].

    Args:
        size: Height and width of the encoder's input in pixels. By default the size of the images, at most 96.
    """

    samples = "images"
    network = "conv"

    def __init__(self, size: int | None = None) -> None:
        if size is not None and size < 1:
            raise UserError(f"size must be at least 1, not {size}")
        self.size = size

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Accept arrays of images; lists of arrays, images or pairs with a label; folders and files of images."""
        if isinstance(data, str | Path):
            return _holds_pictures(Path(data).expanduser())
        if hub.is_hub(data):
            return any(is_image(feature) for feature in hub.features(data).values())
        if hasattr(data, "__array__"):
            return np.ndim(data) in (3, 4)
        first: Any = data[0] if isinstance(data, Sequence) and not isinstance(data, str) and len(data) else None
        first = first[0] if isinstance(first, tuple | list) and len(first) == 2 else first
        return isinstance(first, bytes) or np.ndim(first) in (2, 3) or type(first).__module__.startswith("PIL.")

    def open(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None
    ) -> Source:
        """See `data.image.opening.open_images`."""
        from selftaught.data.image.opening import open_images

        return open_images(
            data, split, limit, seed=self.seed, labels=labels, groups=self.groups, size=self.size, progress=progress
        )

    def input(self, source: Source) -> dict[str, Any]:
        """Return the side in pixels, the channels, and the mean and deviation of each channel (full brightness = 1)."""
        known = source.traits.get("size")
        size = self.size
        if size is None:
            size = min(known) if known is not None and max(known) <= LARGEST_SIDE else LARGEST_SIDE
        mean, std = channel_statistics(source)
        return {"kind": self.name(), "size": int(size), "channels": len(mean), "mean": mean, "std": std}

    @classmethod
    def reading(cls, input: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Return options that leave the images unchanged, because the views of the encoder resize them."""
        return cls()

    @classmethod
    def fits(cls, input: Mapping[str, Any], source: Source, where: str) -> None:
        """Raises UserError if the images have a different number of channels from the encoder's input."""
        wanted, there = input["channels"], source.traits.get("channels", input["channels"])
        if there != wanted:
            raise UserError(
                f"the encoder of {where} takes images of {wanted} channels, but these have {there}: convert them"
            )

    @classmethod
    def tell(cls, source: Source) -> dict[str, Any]:
        """Return samples, size, channels, samples per class and fingerprint."""
        known = source.labels[source.labels >= 0]
        return {
            "samples": len(source), "image_size": source.traits.get("size"), "channels": source.traits.get("channels"),
            "per_class": {c: int((known == i).sum()) for i, c in enumerate(source.classes)},
            "fingerprint": source.fingerprint,
        }  # fmt: skip


def channel_statistics(source: Source) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, in [0, 1], over evenly spaced images with equal weight."""
    index = evenly(len(source), SAMPLES)
    first: list[NDArray[np.float64]] = []
    second: list[NDArray[np.float64]] = []
    for part in np.array_split(index, -(-len(index) // 128)):
        for image in source.fetch(part)["image"]:
            pixels = image.reshape(-1, image.shape[-1]) / 255.0  # [H*W, C]
            first.append(pixels.mean(0))
            second.append((pixels**2).mean(0))
    mean = np.mean(first, 0)
    std = np.sqrt(np.maximum(np.mean(second, 0) - mean**2, 0))
    least = 1 / 255  # avoids a division by 0 for a constant channel
    return [round(float(m), 6) for m in mean], [round(max(float(s), least), 6) for s in std]


def _holds_pictures(path: Path) -> bool:
    from selftaught.data.image import folder, idx, parquet

    try:
        if path.is_dir():
            files = islice((file for file in path.rglob("*") if file.is_file()), LOOKED_AT)
            return any(folder.is_named(file.name) or _holds_pictures(file) for file in files)
        if path.suffix.lower() in (".parquet", ".pq"):
            return parquet.holds_images(path)
        return path.is_file() and (path.suffix.lower() in (".npy", ".npz") or idx.is_idx(path))
    except OSError:
        return False
