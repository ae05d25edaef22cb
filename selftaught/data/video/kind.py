"""The kind "video": frames of videos, with their places in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data import channels
from selftaught.data.folders import LOOKED_AT
from selftaught.data.numpy_arrays import headers
from selftaught.data.subset import Draw
from selftaught.data.video import arrays, decode
from selftaught.data.video.folder import How
from selftaught.data.video.source import Frames, can_split
from selftaught.errors import UserError, expanded
from selftaught.kind import Kind, Progress, Split, silent
from selftaught.source import Raw, Source, evenly

LARGEST = 64
"""The encoder sees frames at most this large unless `size` is given."""
SAMPLES = 1024
"""Number of frames from which the mean and the standard deviation of each channel are estimated."""


@final
class Video(Kind):
    """Frames, uint8 [H, W, C], of videos.

    Args:
        size: Height and width of the encoder's input in pixels. By default the shorter side of the frames, at most 64.
        side: Shorter side in pixels at which decoded frames are kept in the cache. Smaller videos keep their size.
        rate: Frames a second that are kept. By default all.
    """

    samples = "frames"
    network = "conv"
    like = "image"
    moments = True

    def __init__(self, size: int | None = None, side: int = 112, rate: float | None = None) -> None:
        if size is not None and size < 1:
            raise UserError(f"size must be at least 1, not {size}")
        if side < 8:
            raise UserError(f"side must be at least 8, not {side}")
        if rate is not None and not rate > 0:
            raise UserError(f"rate must be above 0, not {rate}")
        self.size, self.how = size, How(side, rate)

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Accept video files, folders with them, and arrays of five axes. Numbered pictures are left to images."""
        if isinstance(data, str | Path):
            return _holds_videos(expanded(data))
        if isinstance(data, list) and data:  # a tuple is (samples, labels), of any kind
            return bool(np.ndim(data[0]) == 4) if isinstance(data[0], np.ndarray) else False
        return hasattr(data, "__array__") and arrays.looks_like_videos(np.shape(data))

    def open(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None
    ) -> Source:
        """See `Kind.open`. A limit keeps stretches of time whole; few videos are split by time (`source.side_of`)."""
        from selftaught.data.video.opening import open_videos

        if limit is not None and limit < 1:
            raise UserError(f"limit must be at least 1, not {limit}")
        if self.groups is not None:
            raise UserError("the groups of frames are their scenes: remove groups")
        return open_videos(data, Draw(limit, self.seed, split), labels, self.how, progress)

    def input(self, source: Source) -> dict[str, Any]:
        """Return the side in pixels, the channels, and the mean and deviation of each channel (full brightness = 1).

        "side" is that of the frames that were kept.
        """
        shortest, mean, std = statistics(source)
        size = self.size or min(shortest, LARGEST)
        return {
            "kind": self.name(), "size": int(size), "channels": len(mean), "mean": mean, "std": std,
            "side": self.how.side,
        }  # fmt: skip

    def judged(self, source: Source) -> bool:
        """Whether frames can be held out: then the order and the places of these are judged, see `evaluate.time`."""
        return source.labelled or not isinstance(source, Frames) or can_split(source)

    @classmethod
    def reading(cls, input: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Return the options that the encoder's frames were read with, but no size: the views resize."""
        return cls(side=input.get("side", 112), **{key: options[key] for key in ("rate",) if key in options})

    @classmethod
    def alike(cls, raw: Raw) -> Raw:
        """Return images as frames."""
        return {"video" if key == "image" else key: value for key, value in raw.items()}

    @classmethod
    def fits(cls, input: Mapping[str, Any], source: Source, where: str) -> None:
        """Raises UserError if the frames have a different number of channels from the encoder's input."""
        channels.fit(input, source, where, "frames")

    @classmethod
    def tell(cls, source: Source) -> dict[str, Any]:
        """Return samples, videos, cameras, size, channels, samples per class and fingerprint."""
        known = source.labels[source.labels >= 0]
        found: dict[str, Any] = {"samples": len(source)}
        if isinstance(source, Frames):
            places = source.places
            found |= {"videos": len(np.unique(places[:, :2], axis=0)), "cameras": int(places[:, 1].max()) + 1}
        return found | {
            "frame_size": source.traits.get("size", "several"), "channels": source.traits.get("channels"),
            "per_class": {c: int((known == i).sum()) for i, c in enumerate(source.classes)},
            "fingerprint": source.fingerprint,
        }  # fmt: skip


def statistics(source: Source) -> tuple[int, list[float], list[float]]:
    """Return the shortest side, and mean and deviation of each channel in [0, 1], over evenly spaced frames."""
    index = evenly(len(source), SAMPLES)
    shortest = 1 << 30

    def seen() -> Iterator[NDArray[np.uint8]]:
        nonlocal shortest
        for part in np.array_split(index, -(-len(index) // 64)):
            for frame in source.fetch(part)["video"]:
                shortest = min(shortest, *frame.shape[:2])
                yield frame[::2, ::2]

    mean, std = channels.statistics(seen())
    return shortest, mean, std


def _holds_videos(path: Path) -> bool:
    try:
        if path.is_dir():
            found = [file for file in islice(path.rglob("*"), LOOKED_AT) if file.is_file()]
            files = [file for file in found if not file.name.startswith(".")]
            return sum(file.suffix.lower() in decode.SUFFIXES for file in files) > len(files) / 2
        if path.suffix.lower() == ".npy":
            known = headers(path) if path.is_file() else None
            return bool(known) and all(arrays.looks_like_videos(shape) for shape, _ in (known or {}).values())
        return path.is_file() and path.suffix.lower() in decode.SUFFIXES
    except OSError:
        return False
