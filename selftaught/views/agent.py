"""Views of observations: single ones, and stretches of several moments, in which episodes may end and begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.errors import UserError
from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.parts.shown import Pictures
from selftaught.source import TOGETHER, Labels, Source, checked

__all__ = ["StretchViews", "Stretches", "plain", "raw", "show"]

RAW = "the numbers observed"
EACH = ("agent", "action", "reward")
"""What a stretch holds of each of its moments."""


@final
class Stretches(Source):
    """Stretches of T consecutive moments of a source, one every T / 2: [B, T, ...] each.

    "start", bool [B, T], is True where an episode begins: where a moment does not follow the one before it. So
    stretches of a source that lacks some moments are stretches too. The first moment of a stretch is one only if its
    episode begins there.
    """

    def __init__(self, source: Source, length: int) -> None:
        if len(source) < length:
            raise UserError(
                f"{len(source):,} observations are fewer than a stretch of {length}: use more, or a shorter stretch"
            )
        self._source, self._length = source, length
        self._first = np.arange(0, len(source) - length + 1, max(length // 2, 1))
        self.samples, self.classes = "stretches", ()
        self.traits, self.skipped, self.notes = source.traits, source.skipped, source.notes
        parts = (np.arange(i, min(i + TOGETHER, len(source))) for i in range(0, len(source), TOGETHER))
        moment = np.concatenate([np.asarray(source.fetch(part)["moment"]) for part in parts])
        self._start = np.concatenate([[True], np.diff(moment) != 1])

    def __len__(self) -> int:
        return len(self._first)

    def fetch(self, index: Index) -> Raw:
        """``{"agent": [B, T, C, H, W], "action": int64 [B, T], "reward": float32 [B, T], "start": bool [B, T]}``."""
        index = checked(index, len(self))
        rows = self._first[index][:, None] + np.arange(self._length)  # [B, T]
        found = self._source.fetch(rows.reshape(-1))
        held = {key: np.asarray(found[key]).reshape(*rows.shape, *np.shape(found[key])[1:]) for key in EACH}
        return {**held, "start": self._start[rows], "label": np.full(len(index), -1, np.int64), "index": index}

    @property
    def groups(self) -> Labels | None:
        """None: a stretch may hold several episodes."""
        return None


@final
class StretchViews(Views):
    """Stretches of `length` moments: "observation" float32 [B, T, C, H, W] and "start" bool [B, T].

    With `acted`, "action" int64 [B, T] and "reward" float32 [B, T] as well. Raw batches may be shorter or longer.
    """

    def __init__(self, input: Mapping[str, Any], length: int, acted: bool = False) -> None:
        self.input, self.length, self.acted = dict(input), length, acted

    def bind(self, source: Source) -> Source:
        """Return the stretches of a source of observations. Raises UserError if it is shorter than one."""
        return Stretches(source, self.length)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return nothing: there is nothing to draw."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the stretches on `device`."""
        keys = ["start", *(("action", "reward") if self.acted else ()), "label", "index"]
        seen = numbers(raw["agent"], self.input, device)
        return {"observation": seen} | {key: torch.as_tensor(raw[key]).to(device) for key in keys if key in raw}


@final
class PlainViews(Views):
    """The view "agent", the observation as it is, float32 [B, C, H, W]; of a stretch, the moment in its middle."""

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.input = dict(input)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return nothing: there is nothing to draw."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the observations on `device`."""
        batch: Batch = {"agent": numbers(middle(np.asarray(raw["agent"])), self.input, device)}
        return batch | {key: torch.as_tensor(raw[key]).to(device) for key in ("label", "index") if key in raw}


def middle(seen: NDArray[Any]) -> NDArray[Any]:
    """Return the moment in the middle of stretches [B, T, C, H, W]; observations [B, C, H, W] as they are."""
    return seen[:, seen.shape[1] // 2] if seen.ndim == 5 else seen


def numbers(seen: Any, input: Mapping[str, Any], device: torch.device) -> Tensor:
    """Return observations [..., C, H, W] of any type as float32, divided by the scale of the encoder's input.

    Raises UserError for another shape.
    """
    array = np.asarray(seen)
    wanted = tuple(int(input[key]) for key in ("channels", "height", "width"))
    if array.shape[-3:] != wanted:
        raise UserError(f"the encoder sees observations of shape {list(wanted)}, not {list(array.shape[-3:])}")
    found = torch.from_numpy(array.astype(np.float32)).to(device)
    return found if input["scale"] == 1 else found / float(input["scale"])


def plain(input: Mapping[str, Any]) -> PlainViews:
    """Return the view "agent"."""
    return PlainViews(input)


def raw(input: Mapping[str, Any]) -> PlainViews:
    """Return the view that gives the numbers: that of `plain`."""
    return PlainViews(input)


def show(name: str, values: Any, input: Mapping[str, Any]) -> Pictures | None:
    """Return pictures of observations, [B, C, H, W] raw or as a view; of stretches, [B, T, C, H, W], the middle moment.

    1 or 3 channels of bytes are grey or colour; of others, every channel has a colour of its own, and the last one that
    is not 0 is seen.
    """
    if isinstance(values, Tensor):
        if not values.is_floating_point() or values.ndim not in (4, 5):
            return None
        array = values.detach().float().cpu().numpy() * input["scale"]
    else:
        array = np.asarray(values)
    array = middle(array)
    if array.ndim != 4 or array.shape[1] != input["channels"]:
        return None
    if input["scale"] == 255 and array.shape[1] in (1, 3):
        seen = np.clip(np.round(array), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
        return Pictures(name, list(seen))
    return Pictures(name, list(coloured(array / input["scale"])))


def coloured(seen: NDArray[Any]) -> NDArray[np.uint8]:
    """Paint [B, C, H, W] in [0, 1]: uint8 [B, H, W, 3], a hue for each channel, later ones over earlier ones."""
    picture = np.full((len(seen), *seen.shape[2:], 3), 16.0)
    for channel, colour in enumerate(palette(seen.shape[1])):
        there = np.clip(seen[:, channel, :, :, None].astype(np.float64), 0, 1)
        picture = picture * (1 - there) + colour * there
    found: NDArray[np.uint8] = np.round(picture).astype(np.uint8)
    return found


def palette(count: int) -> NDArray[np.float64]:
    """Return so many colours, float64 [count, 3] in [0, 255], of evenly spaced hues."""
    hue = (0.58 + np.arange(count) / max(count, 1))[:, None] + np.array([0, -1 / 3, 1 / 3])
    found: NDArray[np.float64] = 255 * (0.55 + 0.4 * np.cos(2 * np.pi * hue))
    return found
