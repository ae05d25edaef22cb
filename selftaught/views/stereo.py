"""Views of pairs of pictures: the same square of both eyes, sampled by (seed, epoch, index).

What is nearer lies further left in the right picture. A mirrored pair keeps this only if its eyes are swapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.parts.depth_colours import coloured
from selftaught.parts.shown import Pictures
from selftaught.views.augmentation import Augment
from selftaught.views.image import ImageViews, denormalise

__all__ = ["StereoViews", "augment", "denormalise", "plain", "raw", "show"]

RAW = "the pixels of the left picture"
STREAM = 0x737465726566  # separates the squares from other views' random numbers
RECOLOUR = ("order", "factor")
"""The parameters of an image view that change its colours."""
Jitter = Literal["alike", "apart"]
Eyes = NDArray[np.uint8] | Sequence[NDArray[np.uint8]]


@final
class StereoViews(Views):
    """Views "left" and "right", float32 [B, C, S, S] each, normalised as the encoder expects.

    Both show the same square of their picture, so a disparity stays the same in pixels of the pair; as a part of the
    width it is divided by the part that is seen. "label" and "index" pass through.

    Args:
        input: ``{"kind": "stereo", "size": S, "channels": C, "mean": [C], "std": [C]}``.
        crop: Shortest side of the square, as a part of the pair's shorter side; its place is random.
        flip: Probability of mirroring the pair, with its eyes swapped.
        jitter: Strengths of brightness, contrast, saturation and hue, as in `Augment`.
        jitter_p: Probability of the jitter.
        eyes: Whether both eyes are changed alike or each apart.

    Raises:
        UserError: A value is out of range.

    >>> import numpy as np, torch
    >>> input = {"kind": "stereo", "size": 8, "channels": 1, "mean": [0.0], "std": [1.0]}
    >>> views = StereoViews(input, crop=0.5, flip=0.5)
    >>> batch = {"stereo": np.zeros((2, 2, 12, 20, 1), np.uint8), "index": np.arange(2)}
    >>> tensors = views.apply(batch, views.sample(batch["index"], epoch=0, seed=0), torch.device("cpu"))
    >>> tensors["left"].shape, tensors["right"].shape
    (torch.Size([2, 1, 8, 8]), torch.Size([2, 1, 8, 8]))
    """

    def __init__(
        self,
        input: Mapping[str, Any],
        crop: float = 1.0,
        flip: float = 0.0,
        jitter: tuple[float, float, float, float] | None = None,
        jitter_p: float = 0.5,
        eyes: Jitter = "alike",
    ) -> None:
        if not 0 < crop <= 1:
            raise UserError(f"crop of pairs must be above 0 and at most 1, not {crop}")
        if eyes not in get_args(Jitter):
            raise UserError(f"eyes are changed alike or apart, not '{eyes}'")
        self.crop, self.eyes = crop, eyes
        look = Augment(flip=flip, jitter=jitter, jitter_p=jitter_p, draw=0)
        self.views = [_of_eye(input, look) for _ in range(2)]
        self.other = _of_eye(input, Augment(jitter=jitter, jitter_p=jitter_p, draw=1))  # numbers of the right eye

    def unused(self) -> dict[str, str]:
        """See `Views.unused`."""
        return self.views[0].unused()

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return "square" [B, 3] in [0, 1): side, row and column; and the parameters of both eyes, each [B, 1, ...]."""
        left = self.views[0].sample(index, epoch, seed)
        right = left if self.eyes == "alike" else left | {
            name: value for name, value in self.other.sample(index, epoch, seed).items() if name in RECOLOUR
        }  # fmt: skip
        square = uniforms(seed, STREAM, index, epoch, np.arange(1), 3)[:, 0]
        return {"square": square, **_named("left", left), **_named("right", right)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`."""
        seen = cut(raw["stereo"], params["square"], self.crop)
        flipped = params["left_flip"][:, 0]
        batch: Batch = {key: torch.as_tensor(raw[key]).to(device) for key in ("label", "index") if key in raw}
        for eye, name in enumerate(("left", "right")):
            pictures = [pair[1 - eye if turned else eye] for pair, turned in zip(seen, flipped, strict=True)]
            own = {key.removeprefix(f"{name}_"): value for key, value in params.items() if key.startswith(f"{name}_")}
            batch[name] = self.views[eye].apply({"image": pictures}, own, device)["image"]
        return batch


def cut(pairs: Eyes, square: NDArray[np.float64], crop: float) -> list[NDArray[np.uint8]]:
    """Return a square of each pair, [2, s, s, C], by numbers [B, 3] in [0, 1): its side, row and column."""
    found = []
    for pair, (u, row, column) in zip(pairs, square, strict=True):
        short = min(pair.shape[1:3])
        least = max(round(crop * short), 1)
        side = least + int(u * (short - least + 1))
        top, left = (int(v * (length - side + 1)) for v, length in zip((row, column), pair.shape[1:3], strict=True))
        found.append(pair[:, top : top + side, left : left + side])
    return found


def _of_eye(input: Mapping[str, Any], look: Augment) -> ImageViews:
    return ImageViews({**input, "kind": "image"}, image=look)


def _named(eye: str, params: Params) -> Params:
    return {f"{eye}_{name}": value for name, value in params.items()}


@final
class PlainViews(Views):
    """The view "stereo": the left eye without augmentation, its central square, float32 [B, C, S, S]."""

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.views = _of_eye(input, Augment())

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of a view without random changes."""
        return self.views.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the view on `device`."""
        batch = self.views.apply({**raw, "image": [pair[0] for pair in raw["stereo"]]}, params, device)
        return {"stereo": batch.pop("image"), **batch}


def plain(input: Mapping[str, Any]) -> PlainViews:
    """Return the view "stereo": the left eye without augmentation."""
    return PlainViews(input)


def raw(input: Mapping[str, Any]) -> PlainViews:
    """Return the views that give the pixels of the left eye, the same as `plain`."""
    return plain(input)


@final
class BothEyes(Views):
    """Views "first" and "second": a random square of the left eye, and the same of the right eye."""

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.views = StereoViews(input, crop=0.6, jitter=(0.4, 0.4, 0.4, 0.1), jitter_p=0.8, eyes="apart")

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """See `StereoViews.sample`."""
        return self.views.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`."""
        batch = self.views.apply(raw, params, device)
        return {"first": batch.pop("left"), "second": batch.pop("right"), **batch}


def augment(input: Mapping[str, Any]) -> BothEyes:
    """Return the two eyes as two views, "first" and "second": the same square, colours changed apart."""
    return BothEyes(input)


def show(name: str, values: Any, input: Mapping[str, Any]) -> Pictures | None:
    """Return pictures of raw pairs (both eyes side by side), of disparities, or of a view's float [B, C, H, W]."""
    if isinstance(values, Tensor):
        fits = values.ndim == 4 and values.shape[1] == len(input["mean"]) and values.is_floating_point()
        return Pictures(name, list(denormalise(values, input))) if fits else None
    arrays = [one for one in values if isinstance(one, np.ndarray)]
    if len(arrays) == len(values) and all(one.dtype == np.uint8 and one.ndim == 4 for one in arrays):
        return Pictures(name, [np.concatenate(list(pair), axis=1) for pair in arrays])
    if len(arrays) == len(values) and all(one.dtype == np.float32 and one.ndim == 2 for one in arrays):
        return Pictures(name, [coloured(one) for one in arrays])
    return None
