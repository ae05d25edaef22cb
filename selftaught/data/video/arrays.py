"""Videos as arrays: [N, T, C, H, W], [N, T, H, W, C], or one video [T, H, W, C] or [T, C, H, W]."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.video.clip import Clip, Unreadable, check_length
from selftaught.errors import UserError
from selftaught.source import Skipped

COLOURS = (1, 3)


def looks_like_videos(shape: Sequence[int]) -> bool:
    """Return whether an array of this shape can only be several videos."""
    return len(shape) == 5 and (shape[2] in COLOURS or shape[4] in COLOURS)


def of_array(array: NDArray[Any], where: str) -> tuple[list[Clip], list[Skipped]]:
    """Return the videos in an array of 4 or 5 axes, called "video 0", ..., and those that cannot be used.

    Pixels stay where they are. Raises UserError for other axes or types.
    """
    if array.dtype != np.uint8:
        raise UserError(f"{where}: frames must be of type uint8, 0 to 255, not {array.dtype}: convert them first")
    if array.ndim == 4:
        array = array[None]
    if array.ndim != 5 or (array.shape[4] not in COLOURS and array.shape[2] not in COLOURS):
        raise UserError(
            f"{where}: videos must have the axes [N, T, C, H, W], [N, T, H, W, C], or [T, H, W, C] of one video, with "
            f"1 or 3 channels, not the shape {list(array.shape[1:] if array.shape[0] == 1 else array.shape)}"
        )
    if array.shape[4] not in COLOURS:
        array = array.transpose(0, 1, 3, 4, 2)
    return of_list(list(array), where)


def of_list(videos: Sequence[Any], where: str) -> tuple[list[Clip], list[Skipped]]:
    """Return the videos of a list of arrays uint8 [T, H, W, C]. Raises UserError if none can be used."""
    clips, skipped = list[Clip](), list[Skipped]()
    for number, video in enumerate(videos):
        frames = np.asanyarray(video)
        if frames.ndim != 4 or frames.dtype != np.uint8 or frames.shape[3] not in COLOURS or 0 in frames.shape[1:]:
            raise UserError(
                f"{where}: video {number} must be uint8 [T, H, W, C] with 1 or 3 channels, not {frames.dtype} "
                f"{list(frames.shape)}"
            )
        try:
            check_length(len(frames))
        except Unreadable as reason:
            skipped.append({"path": f"video {number}", "reason": str(reason)})
            continue
        if clips and frames.shape[3] != clips[0].frames.shape[3]:
            raise UserError(
                f"{where}: video {number} has {frames.shape[3]} channels, and those before it have "
                f"{clips[0].frames.shape[3]}: convert them"
            )
        digest = hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()
        clips.append(Clip(f"video {number}", frames, digest))
    if not clips:
        raise UserError(f"{where}: {skipped[0]['path']}: {skipped[0]['reason']}" if skipped else f"{where}: no videos")
    return clips, skipped
