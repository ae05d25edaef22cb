"""Channels of pictures, of any kind of sample that has them: how many an encoder takes, their mean and deviation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.source import Source


def statistics(pictures: Iterable[NDArray[np.uint8]]) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, in [0, 1], over uint8 [..., C] with equal weights."""
    first: list[NDArray[np.float64]] = []
    second: list[NDArray[np.float64]] = []
    for picture in pictures:
        pixels = picture.reshape(-1, picture.shape[-1]) / 255.0  # [P, C]
        first.append(pixels.mean(0))
        second.append((pixels**2).mean(0))
    mean = np.mean(first, 0)
    std = np.sqrt(np.maximum(np.mean(second, 0) - mean**2, 0))
    least = 1 / 255  # avoids a division by 0 for a constant channel
    return [round(float(m), 6) for m in mean], [round(max(float(s), least), 6) for s in std]


def fit(input: Mapping[str, Any], source: Source, where: str, called: str, fix: str = "") -> None:
    """Raises UserError if the samples, `called` so, have a different number of channels from the encoder's input."""
    wanted, there = input["channels"], source.traits.get("channels", input["channels"])
    if there != wanted:
        raise UserError(f"the encoder of {where} takes {called} of {wanted} channels, but these have {there}{fix}")
