"""One video as its frames, and why some videos cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

FEWEST = 2
"""Frames of a video below which nothing can change in it."""


class Unreadable(Exception):
    """A video that cannot be used. The message is the reason for `Source.skipped`."""


@final
@dataclass(frozen=True)
class Clip:
    """The frames of one video.

    Args:
        name: What it is called.
        frames: uint8 [T, H, W, C], which may be a file's.
        digest: A digest of its content.
        rate: Frames a second; 0 = unknown.
        scene: The name of what is filmed: clips of one scene show the same moments from several cameras.
        camera: Which of the scene's cameras it is, from 0.
    """

    name: str
    frames: Pixels
    digest: str
    rate: float = 0.0
    scene: str = ""
    camera: int = 0

    def __len__(self) -> int:
        return len(self.frames)


def fitted(height: int, width: int, side: int) -> tuple[int, int]:
    """Return the height and width to keep: the shorter side is at most `side`, and the shape stays.

    >>> fitted(1080, 1920, 112), fitted(90, 60, 112)
    ((112, 199), (90, 60))
    """
    scale = min(side / min(height, width), 1.0)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def check_length(frames: int) -> None:
    """Raises Unreadable for a video in which nothing can change."""
    if frames < FEWEST:
        raise Unreadable(f"{frames} frame{'s' * (frames != 1)}: a video needs at least {FEWEST}")


def check_size(first: tuple[int, int], other: tuple[int, int], where: str) -> None:
    """Raises Unreadable if the size of a frame, height and width, is not that of the first one."""
    if first != other:
        before, after = (f"{width}x{height}" for height, width in (first, other))
        raise Unreadable(f"its frames change size at {where}, from {before} to {after}")
