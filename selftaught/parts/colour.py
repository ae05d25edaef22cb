"""Colour spaces: from red, green and blue in [0, 1] to a lightness and two coordinates of colour, in plain torch on any device."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from selftaught.errors import UserError

_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_WHITE = (0.95047, 1.0, 1.08883)  # D65, seen by the observer of 2 degrees
_TO_YCBCR = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
_OFFSET = (16.0, 128.0, 128.0)


def lab(rgb: Tensor) -> Tensor:
    """CIE 1976 L*a*b* under D65 of sRGB (IEC 61966-2-1): [B, 3, ...] in [0, 1] to [B, 3, ...] with L in [0, 100].

    a is in [-86.183, 98.233] (green to red) and b in [-107.857, 94.478] (blue to yellow) over all of sRGB. The
    constants are those of scikit-image's ``rgb2lab``.
    """
    linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    share = _mixed(linear, _TO_XYZ) / _along(_WHITE, linear)  # X/Xn, Y/Yn, Z/Zn
    root = torch.where(share > 0.008856, share.clamp(min=0.008856) ** (1 / 3), 7.787 * share + 16 / 116)
    x, y, z = root.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def ycbcr(rgb: Tensor) -> Tensor:
    """Luma and two differences (ITU-R BT.601, 8 bits): [B, 3, ...] in [0, 1] to Y in [16, 235] and Cb, Cr in [16, 240].

    The constants are those of scikit-image's ``rgb2ycbcr``.
    """
    return _mixed(rgb, _TO_YCBCR) + _along(_OFFSET, rgb)


def rgb(rgb: Tensor) -> Tensor:
    """The same."""
    return rgb


class Space(NamedTuple):
    """A colour space: its conversion, and each channel's name with the least and the greatest value that sRGB reaches."""

    convert: Callable[[Tensor], Tensor]
    channels: dict[str, tuple[float, float]]


SPACES = {
    "Lab": Space(lab, {"L": (0.0, 100.0), "a": (-86.183, 98.233), "b": (-107.857, 94.478)}),
    "YCbCr": Space(ycbcr, {"Y": (16.0, 235.0), "Cb": (16.0, 240.0), "Cr": (16.0, 240.0)}),
    "RGB": Space(rgb, {"R": (0.0, 1.0), "G": (0.0, 1.0), "B": (0.0, 1.0)}),
}


def groups(views: str) -> tuple[str, list[list[int]]]:
    """The colour space of "L,ab", "Y,CbCr" or "R,G,B", and which of its three channels each view has.

    Raises UserError unless there are at least two views that share the channels of one space among them, each once.
    """
    for name, space in SPACES.items():
        names = list(space.channels)
        one = "|".join(sorted(names, key=len, reverse=True))
        parts = [part.strip() for part in views.split(",")]
        if all(re.fullmatch(f"({one})+", part) for part in parts):
            found = [[names.index(channel) for channel in re.findall(one, part)] for part in parts]
            if len(found) > 1 and sorted(channel for view in found for channel in view) == [0, 1, 2]:
                return name, found
    known = ", ".join("".join(space.channels) for space in SPACES.values())
    raise UserError(
        f"views must share the channels of one colour space ({known}) among at least two groups, each channel "
        f"once, not '{views}': "
        "say 'L,ab', 'Y,CbCr' or 'R,G,B'"
    )


def _along(values: tuple[float, ...], like: Tensor) -> Tensor:
    """[1, 3, 1, ...]"""
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, -1, *[1] * (like.ndim - 2))


def _mixed(x: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    """Each row of `matrix` as weights of the three channels, added by hand.

    A product of matrices may round to fewer bits.
    """
    return torch.stack(
        [sum((w * c for w, c in zip(row, x.unbind(1), strict=True)), torch.zeros_like(x[:, 0])) for row in matrix], 1
    )
