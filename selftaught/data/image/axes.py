"""Which axis of an array has the channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.image.reading import Axis
from selftaught.errors import UserError

USUAL = range(1, 5)
"""Lengths of an axis that are taken for channels wherever it stands: grey, with transparency, colour, both."""
MOST = 16
"""A longer last axis is not taken for channels if the first one is shorter."""
SHAPES = 16
"""Arrays of a set whose shapes are looked at."""


def axes(value: Any) -> int:
    """Return the number of axes of an array, or of anything that numpy reads as one; -1 for everything else."""
    try:
        return np.ndim(value)
    except Exception:  # lists of different lengths, and whatever other libraries' objects raise
        return -1


def axis_of(shapes: Iterable[tuple[int, ...]], axis: Axis, where: str) -> tuple[Axis, str]:
    """Return "first" or "last", the axis of images of these shapes that has the channels, and a note if it is a guess.

    Unless `axis` says it, the shapes (three lengths each) decide, by the first rule that applies: the last axis, then
    the first one, if it is 1 to 4 long in all images; the one of both that is equally long in all images, where sizes
    differ; the one that is shorter than both others; the one beside two that are equal, which are height and width; the
    first one if it is at most 16 and the last one is not; the last one. Raises UserError if shapes disagree.
    """
    shapes = sorted(set(shapes))
    if axis != "auto" or not shapes:
        return "last" if axis == "auto" else axis, ""
    found = _usual(shapes) or _constant(shapes) or {_decided(*shape) for shape in shapes} - {None}
    shown = " and ".join(" x ".join(map(str, shape)) for shape in shapes[:3])
    if len(found) > 1:
        raise UserError(
            f"{where}: the channels of images of shape {shown} seem to be on different axes: give channel_axis first "
            "or last (--channel-axis)"
        )
    note = "" if found else f"images of shape {shown} are read as height x width x channels (--channel-axis)"
    return "first" if "first" in found else "last", note


def _usual(shapes: Sequence[tuple[int, ...]]) -> set[Axis | None]:
    if all(shape[2] in USUAL for shape in shapes):
        return {"last"}
    return {"first"} if all(shape[0] in USUAL for shape in shapes) else set()


def _constant(shapes: Sequence[tuple[int, ...]]) -> set[Axis | None]:
    first, last = len({shape[0] for shape in shapes}) == 1, len({shape[2] for shape in shapes}) == 1
    return {"first" if first else "last"} if first != last else set()


def _decided(a: int, b: int, c: int) -> Axis | None:
    if a < min(b, c) or c < min(a, b):
        return "first" if a < c else "last"
    if (a == b) != (b == c):
        return "last" if a == b else "first"
    return "first" if a <= MOST < c else None


def with_channels(images: NDArray[Any], where: str, axis: Axis = "auto") -> NDArray[Any]:
    """Return a view [N, H, W, C] of [N, H, W], [N, H, W, C] or [N, C, H, W] images.

    Raises UserError for other shapes.
    """
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise UserError(
            f"{where}: images have shape {images.shape}, but must be [N, H, W] or [N, H, W, C]: reshape them"
        )
    if 0 in images.shape:
        raise UserError(f"{where}: images have shape {images.shape}, which is empty")
    first = axis_of([images.shape[1:]], axis, where)[0] == "first"
    return np.moveaxis(images, 1, 3) if first else images
