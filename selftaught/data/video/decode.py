"""Decode a video file through PyAV (extra ``video``): every frame once, at the size that is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from selftaught.data.video.clip import Pixels, Unreadable, check_size, fitted
from selftaught.errors import UserError

SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv", ".flv", ".3gp", ".y4m")
)
WHOLE = 0.9
"""A file that gives less than this share of the frames that it announces has been cut."""


def frames(path: Path, side: int, rate: float | None = None) -> Iterator[Pixels]:
    """Yield frames, uint8 [H, W, 3], the shorter side at most `side`; `rate` of them a second, by default all.

    Raises Unreadable for a file without frames, one that breaks off, and one whose frames change size; UserError if
    PyAV is not installed.
    """
    av = _av()
    done = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise Unreadable("it has no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            announced, usual = int(stream.frames or 0), float(stream.average_rate or 0) or 25.0
            first, size, taken = (0, 0), (0, 0), -1
            for frame in container.decode(stream):
                if done == 0:
                    first = (frame.height, frame.width)
                    size = fitted(*first, side)
                check_size(first, (frame.height, frame.width), f"frame {done}")
                moment = float(frame.time) if frame.time is not None else done / usual
                done += 1
                if rate is not None:
                    due = math.floor(moment * rate + 1e-6)
                    if due <= taken:
                        continue
                    taken = due
                yield _pixels(frame, size)
    except av.FFmpegError as error:
        where = f"breaks off after frame {done - 1}" if done else "cannot be read as a video"
        raise Unreadable(f"it {where} ({error.strerror or error})") from None
    if done < WHOLE * announced:
        raise Unreadable(f"it breaks off after {done} of {announced} frames")


def rate_of(path: Path) -> float:
    """Return the frames a second that a file states; 0 if it states none or cannot be read."""
    av = _av()
    try:
        with av.open(str(path)) as container:
            found = container.streams.video[0].average_rate if container.streams.video else None
            return float(found or 0)
    except av.FFmpegError:
        return 0.0


def _pixels(frame: Any, size: tuple[int, int]) -> Pixels:
    height, width = size
    found = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA").to_ndarray()
    quarters = round(float(getattr(frame, "rotation", 0) or 0) / 90) % 4  # as a phone held it, counterclockwise
    return np.ascontiguousarray(np.rot90(found, quarters))


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise UserError("reading video files needs the package av: pip install 'selftaught[video]'") from None
    av.logging.set_level(av.logging.PANIC)  # what is wrong with a file is said here
    return av
