"""What a view does to an image, and the random numbers that decide it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels import image as kernel
from selftaught.kernels import resize as layout
from selftaught.kernels.crop import crops
from selftaught.kernels.random import uniforms
from selftaught.method import Index, Params

LOOK = ("flip", "turn", "order", "factor", "grey", "sigma", "solarise")
"""The parameters that do not depend on the image's size, in the order in which `kernels.image.views` takes them."""
TRIES = 10
_STREAM = 1  # image views' own stream of random numbers
_NUMBERS = 2 * TRIES + 14
_ORDERS = np.array(list(permutations((kernel.BRIGHTNESS, kernel.CONTRAST, kernel.SATURATION, kernel.HUE))), np.int64)


@final
@dataclass(frozen=True)
class Augment:
    """One view, in the order in which things happen. Everything is off by default: resize, centre crop, normalise.

    Args:
        crop: Range of the crop's area as a part of the image's, in (0, 1]; None resizes the shorter side and crops the
            centre.
        ratio: Range of the crop's width over its height, drawn on a logarithmic scale.
        flip: Probability of a left-right mirror image.
        jitter: Strengths of brightness, contrast, saturation (factors in [1 - s, 1 + s]) and hue (turns in [-s, s], at
            most 0.5), applied in a random order. Images without exactly three channels know no saturation and no hue.
        jitter_p: Probability of the jitter.
        grey: Probability of dropping colour (three channels only).
        blur: Probability of a Gaussian blur (cut at three sigma, edges mirrored).
        blur_sigma: Range of the blur's standard deviation, in pixels of the view.
        solarise: Probability of inverting all values of at least a half.
        turns: Quarter turns anticlockwise to choose from, each as likely: (0, 1, 2, 3) for any, (1,) for always one.
        size: Side of the view in pixels; None takes the encoder's.
        draw: Views with the same number draw the same random numbers: four views that differ in `turns` alone and share
            a `draw` are four copies of one crop. None takes the view's own place.
    """

    crop: tuple[float, float] | None = None
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.0
    jitter: tuple[float, float, float, float] | None = None
    jitter_p: float = 0.8
    grey: float = 0.0
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarise: float = 0.0
    turns: tuple[int, ...] = (0,)
    size: int | None = None
    draw: int | None = None

    def __post_init__(self) -> None:
        """Raises UserError, one sentence that names the argument, for a value out of range."""
        for name in ("flip", "jitter_p", "grey", "blur", "solarise"):
            _check(name, 0 <= getattr(self, name) <= 1, "a probability in [0, 1]", getattr(self, name))
        if self.crop is not None:
            _check("crop", 0 < self.crop[0] <= self.crop[1] <= 1, "a range in (0, 1]", self.crop)
        _check("ratio", 0 < self.ratio[0] <= self.ratio[1], "a range above 0", self.ratio)
        _check("blur_sigma", 0 < self.blur_sigma[0] <= self.blur_sigma[1], "a range above 0", self.blur_sigma)
        if self.jitter is not None:
            fits = len(self.jitter) == 4 and min(self.jitter) >= 0 and self.jitter[3] <= 0.5
            _check("jitter", fits, "four strengths of at least 0, of which the last (hue) is at most 0.5", self.jitter)
        _check("turns", len(self.turns) > 0 and set(self.turns) <= {0, 1, 2, 3}, "some of 0, 1, 2 and 3", self.turns)
        _check("size", self.size is None or self.size >= 1, "at least 1 pixel", self.size)
        _check("draw", self.draw is None or self.draw >= 0, "at least 0", self.draw)


def _check(name: str, holds: bool, what: str, value: object) -> None:
    if not holds:
        raise UserError(f"a view's {name} must be {what}, not {value}")


def sample(augments: Sequence[Augment], index: Index, epoch: int, seed: int) -> Params:
    """Random parameters of V views of B samples, whatever the images' sizes: arrays [B, V, ...].

    "area" and "log_ratio" float64 [B, V, 10] and "place" float64 [B, V, 2] decide the crop once the image's size is
    known (see `boxes`); the rest is as `kernels.image.views` takes it.
    """
    draw = np.array([v if a.draw is None else a.draw for v, a in enumerate(augments)], np.int64)
    u = uniforms(seed, _STREAM, index, epoch, draw, _NUMBERS)  # [B, V, 34]
    if len(set(augments)) == 1:
        return _drawn(augments[0], u)
    views = [_drawn(augment, u[:, v]) for v, augment in enumerate(augments)]
    return {name: np.stack([view[name] for view in views], axis=1) for name in views[0]}


def _drawn(augment: Augment, u: NDArray[np.float64]) -> Params:
    """The parameters [...] of a view from uniform numbers [..., 34]."""
    area = augment.crop or (1.0, 1.0)
    low, high = (math.log(r) for r in augment.ratio)
    strength = np.array(augment.jitter or (0, 0, 0, 0), np.float64)
    least = np.array([*np.maximum(1 - strength[:3], 0), -strength[3]])
    most = np.array([*(1 + strength[:3]), strength[3]])
    rest = u[..., 2 * TRIES :]  # [..., 14]
    jittered = (rest[..., 3] < augment.jitter_p) if augment.jitter else np.zeros(u.shape[:-1], bool)
    order = np.where(jittered[..., None], _ORDERS[(rest[..., 8] * len(_ORDERS)).astype(np.int64)], kernel.NOTHING)
    sigma = augment.blur_sigma[0] + rest[..., 11] * (augment.blur_sigma[1] - augment.blur_sigma[0])
    turns = np.array(augment.turns, np.int64)
    return {
        "area": area[0] + u[..., :TRIES] * (area[1] - area[0]),
        "log_ratio": low + u[..., TRIES : 2 * TRIES] * (high - low),
        "place": rest[..., 0:2],
        "flip": rest[..., 2] < augment.flip,
        "factor": least + rest[..., 4:8] * (most - least),
        "order": order,
        "grey": rest[..., 9] < augment.grey,
        "sigma": np.where(rest[..., 10] < augment.blur, sigma, 0.0),
        "turn": turns[(rest[..., 13] * len(turns)).astype(np.int64)],
        "solarise": rest[..., 12] < augment.solarise,
    }


def boxes(augment: Augment, params: Params, view: int, sizes: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """What part of each image the view shows, int64 [B, 8] as `kernels.image.views` takes it.

    Random crops are torchvision's RandomResizedCrop: ten tries at an area and a ratio, then the largest centre crop
    with a ratio in range. Without a crop: torchvision's Resize(side) of the shorter side, then CenterCrop(side).

    Args:
        augment: The view.
        params: From `sample`.
        view: The view's place in `params`.
        sizes: Height and width of each image, int64 [B, 2].
        side: Of the square view, in pixels.
    """
    box = np.zeros((len(sizes), 8), np.int64)
    if augment.crop is None:
        short = sizes.min(axis=1)
        grid = side * sizes // short[:, None]  # [B, 2]
        box[:, [layout.HEIGHT, layout.WIDTH]] = sizes
        box[:, [layout.GRID_Y, layout.GRID_X]] = grid
        box[:, [layout.FIRST_Y, layout.FIRST_X]] = np.rint((grid - side) / 2)
        return box
    draws = (np.ascontiguousarray(params[name][:, view]) for name in ("area", "log_ratio", "place"))
    found = np.empty((len(sizes), 4), np.int64)
    crops(*draws, sizes, tuple(map(float, augment.ratio)), found)
    box[:, [layout.TOP, layout.LEFT, layout.HEIGHT, layout.WIDTH]] = found
    box[:, [layout.GRID_Y, layout.GRID_X]] = side
    return box
