"""Colour spaces: convert RGB in [0, 1] to a lightness and two colour coordinates and back, in plain torch.

It also says what is wrong with images without colours, for the methods that learn from colours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.errors import UserError
from selftaught.source import Source, evenly

_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_WHITE = (0.95047, 1.0, 1.08883)  # D65, 2 degree observer
_TO_YCBCR = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
_OFFSET = (16.0, 128.0, 128.0)


def lab(rgb: Tensor) -> Tensor:
    """Convert sRGB (IEC 61966-2-1) to CIE 1976 L*a*b* under D65: [B, 3, ...] in [0, 1] to [B, 3, ...], L in [0, 100].

    Over all of sRGB, a is in [-86.183, 98.233] (green to red) and b in [-107.857, 94.478] (blue to yellow). The
    constants are those of scikit-image's ``rgb2lab``.
    """
    linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    share = _mixed(linear, _TO_XYZ) / _along(_WHITE, linear)  # X/Xn, Y/Yn, Z/Zn
    root = torch.where(share > 0.008856, share.clamp(min=0.008856) ** (1 / 3), 7.787 * share + 16 / 116)
    x, y, z = root.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def rgb_of_lab(lab: Tensor) -> Tensor:
    """Convert CIE L*a*b* to sRGB, the inverse of `lab`: [B, 3, ...] to [B, 3, ...], cut to [0, 1].

    The constants are those of scikit-image's ``lab2rgb``, and as there a negative Z is 0.
    """
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    root = torch.stack([y + a / 500, y, (y - b / 200).clamp(min=0)], 1)
    share = torch.where(root > 0.2068966, root.clamp(min=0.2068966) ** 3, (root - 16 / 116) / 7.787)
    linear = _mixed(share * _along(_WHITE, share), _inverse(_TO_XYZ))
    curve = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curve, linear * 12.92).clamp(0, 1)


def ycbcr(rgb: Tensor) -> Tensor:
    """Convert RGB to luma and two colour differences (ITU-R BT.601, 8 bits): Y in [16, 235], Cb and Cr in [16, 240].

    The constants are those of scikit-image's ``rgb2ycbcr``.
    """
    return _mixed(rgb, _TO_YCBCR) + _along(_OFFSET, rgb)


def rgb_of_ycbcr(ycbcr: Tensor) -> Tensor:
    """Convert YCbCr to RGB, the inverse of `ycbcr`. Not cut to [0, 1], as scikit-image's ``ycbcr2rgb``."""
    return _mixed(ycbcr - _along(_OFFSET, ycbcr), _inverse(_TO_YCBCR))


def hci(rgb: Tensor) -> Tensor:
    """Convert RGB to hue, chroma and intensity, each in [0, 1]: [B, 3, ...] to [B, 3, ...].

    The intensity is the mean of red, green and blue, the chroma their largest difference, and the hue that of HSV, 0
    for grey.
    """
    value, which = rgb.max(1, keepdim=True)
    chroma = value - rgb.amin(1, keepdim=True)
    # (g - b, b - r, r - g) / chroma
    sector = (rgb.roll(-1, 1) - rgb.roll(-2, 1)) / torch.where(chroma > 0, chroma, 1)
    hue = torch.remainder((sector.gather(1, which) + 2 * which) / 6, 1)
    return torch.cat([hue * (chroma > 0), chroma, rgb.mean(1, keepdim=True)], 1)


def rgb_of_hci(hci: Tensor) -> Tensor:
    """Convert hue, chroma and intensity to RGB, the inverse of `hci`. Not cut to [0, 1]."""
    hue, chroma, intensity = (channel[:, None] for channel in hci.unbind(1))
    k = torch.remainder(_along((5.0, 3.0, 1.0), hci) + 6 * hue, 6)
    coloured = -chroma * torch.minimum(k, 4 - k).clamp(0, 1)
    return coloured - coloured.mean(1, keepdim=True) + intensity


def unchanged(channels: Tensor) -> Tensor:
    """Return the input."""
    return channels


class Space(NamedTuple):
    """A colour space: its conversion from RGB, the way back, and the name, minimum and maximum of each channel."""

    convert: Callable[[Tensor], Tensor]
    invert: Callable[[Tensor], Tensor]
    channels: dict[str, tuple[float, float]]


SPACES = {
    "Lab": Space(lab, rgb_of_lab, {"L": (0.0, 100.0), "a": (-86.183, 98.233), "b": (-107.857, 94.478)}),
    "YCbCr": Space(ycbcr, rgb_of_ycbcr, {"Y": (16.0, 235.0), "Cb": (16.0, 240.0), "Cr": (16.0, 240.0)}),
    "RGB": Space(unchanged, unchanged, dict.fromkeys("RGB", (0.0, 1.0))),
    "HCI": Space(hci, rgb_of_hci, dict.fromkeys("HCI", (0.0, 1.0))),
    "RGBD": Space(unchanged, unchanged, dict.fromkeys("RGBD", (0.0, 1.0))),
}
"""The spaces by name. HCI is hue, chroma and intensity. RGBD is RGB with a fourth channel, such as depth."""


def groups(views: str, whole: bool = True) -> tuple[str, list[list[int]]]:
    """Return the colour space of "L,ab", "Y,CbCr" or "R,G,B", and the indices of the channels of each view.

    With `whole` False, views may leave out channels or share them: "L" is one view of the lightness alone.

    Raises UserError unless all channels are of one space, and there are at least two views that contain each of its
    channels exactly once (if `whole`).
    """
    for name, space in SPACES.items():
        names = list(space.channels)
        one = "|".join(sorted(names, key=len, reverse=True))
        parts = [part.strip() for part in views.split(",")]
        if all(re.fullmatch(f"({one})+", part) for part in parts):
            found = [[names.index(channel) for channel in re.findall(one, part)] for part in parts]
            once = len(found) > 1 and sorted(channel for view in found for channel in view) == [*range(len(names))]
            if once or not whole:
                return name, found
    known = ", ".join("".join(space.channels) for space in SPACES.values())
    raise UserError(
        f"views must split the channels of one colour space ({known}) into at least two groups, each channel "
        f"once, not '{views}': "
        "use 'L,ab', 'Y,CbCr' or 'R,G,B'"
    )


GREY = 5.0
"""An image is grey if no a or b of its pixels is further from 0: Zhang et al. leave such images out."""
LOOKED_AT = 256
"""Images that `refuse_grey` looks at."""


def refuse_colourless(method: str, channels: int) -> None:
    """Raises UserError unless images have the three channels of colour."""
    if channels != 3:
        found = "are grey: they have 1 channel" if channels == 1 else f"have {channels} channels"
        raise UserError(f"{method} learns from the colours of images, but these {found}, not 3: give it colour images")


def refuse_grey(method: str, source: Source) -> None:
    """Raises UserError if images of three channels hold no colours: red, green and blue are (nearly) equal in all.

    Looks at evenly spaced images, at most `LOOKED_AT`.
    """
    index = evenly(len(source), LOOKED_AT)
    for part in np.array_split(index, -(-len(index) // 32)):
        for image in source.fetch(part)["image"]:
            pixels = torch.tensor(np.asarray(image)[..., :3].reshape(-1, 3)).float() / 255
            if lab(pixels)[:, 1:].abs().max() > GREY:
                return
    raise UserError(
        f"{method} learns from the colours of images, but these are grey, although they have 3 channels (red, green "
        f"and blue are the same in all of the {len(index)} that were looked at): give it colour images"
    )


def _along(values: tuple[float, ...], like: Tensor) -> Tensor:
    """[1, 3, 1, ...]"""
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, -1, *[1] * (like.ndim - 2))


def _inverse(matrix: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, np.linalg.inv(np.array(matrix)).tolist()))


def _mixed(x: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    """Apply `matrix` to the three channels with explicit sums, because a matrix product may use lower precision."""
    return torch.stack(
        [sum((w * c for w, c in zip(row, x.unbind(1), strict=True)), torch.zeros_like(x[:, 0])) for row in matrix], 1
    )


def to_white() -> NDArray[np.float32]:
    """Return the matrix from linear RGB to X, Y and Z as shares of white, float32 [3, 3]."""
    matrix: NDArray[np.float32] = (np.array(_TO_XYZ) / np.array(_WHITE)[:, None]).astype(np.float32)
    return matrix
